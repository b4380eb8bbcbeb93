"""`DataPatch` -> a PHP class. Pure."""

from builder.magento.data_patch import DataPatch
from builder.render.templates import template_environment


def render_data_patch(patch: DataPatch) -> str:
    """The text of the patch's file."""
    return template_environment().get_template("data_patch.php.j2").render(patch=patch)
