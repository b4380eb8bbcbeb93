"""What a release has to know of an image, read out of the image itself on its host."""

import io
import tarfile
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

from builder.deploy.engine import Engine, engine_errors
from builder.errors import ReleaseError


@dataclass(frozen=True, slots=True)
class ImageLabels:
    """What Kiln wrote on an image.

    Attributes:
        content_version: decimal digits.
        edition, version: of Magento.
        writable: where the shop writes.
        serves_pods: it has what pods of Kubernetes call; images of older versions of Kiln do not.
    """

    content_version: str
    edition: str
    version: str
    writable: tuple[str, ...]
    serves_pods: bool


def read_labels(engine: Engine, image: str) -> ImageLabels:
    """An image's labels; the image is on the host.

    Raises:
        ReleaseError: it is none of Kiln's.
    """
    with engine_errors(engine.name):
        labels = engine.client.images.get(image).labels
    try:
        return ImageLabels(
            labels["org.opencontainers.image.version"],
            labels["io.kiln.magento.edition"],
            labels["io.kiln.magento.version"],
            tuple(labels["io.kiln.writable"].split()),
            "io.kiln.pods" in labels,
        )
    except KeyError as error:
        raise ReleaseError(
            f"is no image of Kiln's: it has no label {error.args[0]}",
            where=image,
            hint="`kiln build --push` makes one",
        ) from None


def read_files(engine: Engine, image: str, expression: Sequence[str]) -> Mapping[str, bytes]:
    """Files of an image by path below /app.

    Args:
        engine: which has the image.
        image: by digest.
        expression: of find(1).
    """
    script = 'cd /app && find . "$@" -print0 | tar --null --files-from=- --create --file=-'
    with engine_errors(engine.name):
        archive = engine.client.containers.run(
            image,
            ["-c", script, "sh", *expression],
            entrypoint="sh",
            network_mode="none",
            read_only=True,
            cap_drop=["ALL"],
            remove=True,
        )
    found = {}
    with tarfile.open(fileobj=io.BytesIO(archive)) as tar:
        for member in tar:
            file = tar.extractfile(member) if member.isfile() else None
            if file is not None:
                found[member.name.removeprefix("./")] = file.read()
    return found


def any_path(patterns: Iterable[str]) -> list[str]:
    """An expression of find(1) for files whose path matches one of the patterns."""
    words = [word for pattern in patterns for word in ("-o", "-path", pattern)]
    return ["(", *words[1:], ")"]
