"""Stack and release -> compose files. Pure."""

import re
from collections.abc import Mapping, Sequence

from builder.plan.proxy import (
    MOST_ASSETS,
    assets_address,
    dynamic_range,
    proxy_address,
    web_address,
)
from builder.plan.release import Release
from builder.plan.stack import Stack
from builder.render.images import RenderedImage, service_contents
from builder.render.templates import template_environment


def render_service_image(service: str, base: str, mirror: str | None) -> RenderedImage:
    """The image of a service from Debian's packages.

    Args:
        service: `database`, `cache` or `queue`.
        base: a Debian image by digest.
        mirror: a Debian mirror, or None for the base image's own.
    """
    template = template_environment().get_template(f"development/{service}.Dockerfile.j2")
    text = template.render(plan={"base": base, "mirror": mirror})
    return RenderedImage(f"kiln-{service}", service, text, service_contents(service, "production"))


def render_services(
    stack: Stack, images: Mapping[str, str], secrets: str, database_version: str | None
) -> str:
    """The compose file of the proxy and the services that Kiln runs.

    Args:
        stack: the stack.
        images: by service, `proxy` among them.
        secrets: the folder on the host with the services' secrets.
        database_version: what the database is to say it is; None for what it is.
    """
    return (
        template_environment()
        .get_template("services.yaml.j2")
        .render(
            stack=stack,
            images=images,
            secrets=secrets,
            database_version=database_version,
            # Otherwise the engine takes one of the range for itself.
            gateway=stack.subnet.network_address + 1,
            proxy_address=proxy_address(stack.subnet),
            dynamic_range=dynamic_range(stack.subnet),
        )
    )


def render_release(
    stack: Stack,
    release: Release,
    project: str,
    *,
    env_php: str,
    secrets: str,
    writable: Sequence[str],
) -> str:
    """The compose file of one release's containers.

    Args:
        stack: the stack.
        release: the release.
        project: the compose project.
        env_php: the file on the host.
        secrets: the folder on the host.
        writable: where the shop writes, from the image's label `io.kiln.writable`.
    """
    places = range(1, MOST_ASSETS + 1)
    shares_media = stack.deploy.media_volume is not None
    return (
        template_environment()
        .get_template("release.yaml.j2")
        .render(
            stack=stack,
            release=release,
            project=project,
            env_php=env_php,
            secrets=secrets,
            shares_media=shares_media,
            writable=[path for path in writable if path != "/app/pub/media" or not shares_media],
            addresses=[
                web_address(stack.subnet, release.slot, index)
                for index in range(1, release.replicas + 1)
            ],
            places=places,
            assets_addresses=[assets_address(stack.subnet, place) for place in places],
            consumer_service=consumer_service,
        )
    )


def consumer_service(name: str) -> str:
    """The compose service of a queue consumer."""
    return f"consumer-{re.sub(r'[^a-z0-9_-]', '-', name.lower())}"
