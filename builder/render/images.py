"""An image that Kiln makes for a service, before it is built. Pure."""

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass

from builder.render.templates import template_folder


@dataclass(frozen=True, slots=True)
class RenderedImage:
    """One service's image, before it is built.

    Attributes:
        repository: the name without its tag.
        service: also the Dockerfile's last stage.
        dockerfile: the text.
        contents: what it copies from the context `src-kiln`, by path.
        name: of the image. Equal texts have equal names, so stacks share images.
    """

    repository: str
    service: str
    dockerfile: str
    contents: Mapping[str, bytes]

    @property
    def name(self) -> str:
        hasher = hashlib.sha256(self.dockerfile.encode())
        for path, content in sorted(self.contents.items()):
            hasher.update(b"\0" + path.encode() + b"\0" + content)
        return f"{self.repository}:{hasher.hexdigest()[:16]}"


def service_contents(service: str, folder: str) -> dict[str, bytes]:
    """What the image of a database, cache or queue copies in, by path.

    Args:
        service: e.g. `queue`.
        folder: of dockerfiles/, with the settings for where the service runs.
    """

    def plain(name: str) -> bytes:
        return (template_folder() / name).read_bytes()

    if service == "database":
        return {"usr/local/bin/kiln-database": plain("development/kiln-database")}
    if service == "queue":
        return {
            "usr/local/bin/kiln-queue": plain("development/kiln-queue"),
            "etc/rabbitmq/enabled_plugins": plain("development/enabled_plugins"),
            "etc/rabbitmq/conf.d/10-kiln.conf": plain(f"{folder}/rabbitmq.conf"),
        }
    return {}
