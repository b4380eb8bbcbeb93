"""An image that Kiln makes for a service, before it is built. Pure."""

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass


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
