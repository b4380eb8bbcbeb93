"""The name of an image: `[registry/]repository[:tag][@digest]`, read as docker reads it."""

import re
from dataclasses import dataclass

from builder.errors import RegistryError
from builder.registry.oci import is_digest

DOCKER_HUB = "docker.io"
DOCKER_HUB_API = "registry-1.docker.io"

# The grammar of distribution/reference, `reference.go`.
_HOST = re.compile(
    r"(?:[A-Za-z0-9](?:[A-Za-z0-9-]*[A-Za-z0-9])?(?:\.[A-Za-z0-9](?:[A-Za-z0-9-]*[A-Za-z0-9])?)*"
    r"|\[[0-9A-Fa-f:.]+\])(?::[0-9]{1,5})?"
)
_COMPONENT = r"[a-z0-9]+(?:(?:\.|_|__|-+)[a-z0-9]+)*"
_REPOSITORY = re.compile(rf"{_COMPONENT}(?:/{_COMPONENT})*")
_TAG = re.compile(r"[A-Za-z0-9_][A-Za-z0-9_.-]{0,127}")


@dataclass(frozen=True, slots=True)
class ImageReference:
    """The name of an image in a registry.

    Attributes:
        registry: host and optional port, e.g. `localhost:5000`; `docker.io` for Docker Hub.
        repository: path, e.g. `shop/web`; `library/…` for Docker Hub's official images.
        tag: None where none was given; there is no silent `latest`.
        digest: `sha256:…` or None.
    """

    registry: str
    repository: str
    tag: str | None = None
    digest: str | None = None

    @classmethod
    def parse(cls, text: str) -> "ImageReference":
        """Read a reference as docker does.

        Raises:
            RegistryError: it is none; the message names the part that is wrong.
        """

        def wrong(what: str, hint: str = "") -> RegistryError:
            return RegistryError(
                f"not an image name: {what}",
                where=repr(text),
                hint=hint or "write it as registry.example:5000/shop/web:tag",
            )

        if "://" in text:
            raise wrong("it starts with a scheme", "leave out the https:// or http://")
        if not text or any(c.isspace() for c in text):
            raise wrong("it is empty or holds white space")
        rest, at, digest = text.partition("@")
        if at and not is_digest(digest):
            raise wrong(f"{digest!r} is not a digest", "write it as sha256: and 64 hex digits")
        first, slash, path = rest.partition("/")
        if slash and (
            "." in first or ":" in first or first == "localhost" or first != first.lower()
        ):
            registry, rest = first, path
            if not _HOST.fullmatch(registry):
                raise wrong(f"{registry!r} is not a host and port")
        else:
            registry = DOCKER_HUB
        repository, colon, tag = rest.partition(":")
        if colon and not _TAG.fullmatch(tag):
            raise wrong(
                f"{tag!r} is not a tag",
                "use at most 128 letters, digits, dots, dashes and underscores",
            )
        if registry in (DOCKER_HUB, "index.docker.io", DOCKER_HUB_API):
            registry = DOCKER_HUB
            repository = repository if "/" in repository else f"library/{repository}"
        if not _REPOSITORY.fullmatch(repository):
            hint = "use lower case" if repository != repository.lower() else ""
            raise wrong(f"{repository!r} is not a repository", hint)
        if len(registry) + 1 + len(repository) > 255:
            raise wrong("registry and repository are longer than 255 characters")
        return cls(registry, repository, tag or None, digest or None)

    def __str__(self) -> str:
        tag = f":{self.tag}" if self.tag else ""
        digest = f"@{self.digest}" if self.digest else ""
        return f"{self.name}{tag}{digest}"

    @property
    def name(self) -> str:
        """Registry and repository, without tag and digest."""
        return f"{self.registry}/{self.repository}"

    def with_tag(self, tag: str) -> "ImageReference":
        """The same repository under `tag`, without a digest.

        Raises:
            RegistryError: `tag` is not a tag.
        """
        return ImageReference.parse(f"{self.name}:{tag}")

    def with_digest(self, digest: str) -> "ImageReference":
        """The same repository at `digest`, without a tag.

        Raises:
            RegistryError: `digest` is not a sha256 digest.
        """
        return ImageReference.parse(f"{self.name}@{digest}")
