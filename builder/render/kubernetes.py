"""A release in a Kubernetes cluster -> manifests, and what is to be done with them. Pure."""

from collections.abc import Mapping

from builder.plan.kubernetes import MEDIA, UNKNOWN_SECONDS, ClusterRelease
from builder.render.templates import template_environment

# As in the image: Debian's www-data.
_WWW_DATA = 33
# In the order in which they are applied.
MANIFESTS = ("1-config.yaml", "2-migrate.yaml", "3-shop.yaml")
# For an empty database, instead of 2-migrate.yaml.
INSTALL = "2-install.yaml"
NOTES = "README.md"


def render_manifests(release: ClusterRelease) -> Mapping[str, str]:
    """The text of each file by its name; no secret is in one."""
    environment = template_environment()
    values = {
        "release": release,
        "cluster": release.cluster,
        "deploy": release.cluster.deploy,
        "timeouts": release.cluster.deploy.timeouts,
        "www_data": _WWW_DATA,
        "media_path": MEDIA,
        "unknown_seconds": UNKNOWN_SECONDS,
    }
    return {
        name: environment.get_template(f"{name}.j2").render(values)
        for name in (*MANIFESTS, INSTALL, NOTES)
    }
