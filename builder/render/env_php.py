"""`Delivery` -> env.php. Pure."""

from collections.abc import Iterator

from builder.magento.delivery import Delivery
from builder.magento.env_tree import EnvValue, SecretRef
from builder.render.templates import template_environment


def render_env_php(delivery: Delivery) -> str:
    """The text of app/etc/env.php: the same for the same delivery, without any secret."""
    template = template_environment().get_template("runtime/env.php.j2")
    return template.render(delivery=delivery, uses=set(_uses(delivery.env_php)))


def _uses(value: EnvValue) -> Iterator[str]:
    if isinstance(value, SecretRef):
        yield value.use
    elif isinstance(value, dict):
        for below in value.values():
            yield from _uses(below)
