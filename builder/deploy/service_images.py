"""Images of the proxy and of services, where none is named: built once, in the shop's registry."""

from collections.abc import Mapping
from pathlib import Path

from builder.build.image import Watcher
from builder.build.images import provide_images
from builder.errors import HostError
from builder.process import Runner
from builder.registry.client import Registry
from builder.registry.reference import ImageReference
from builder.render.images import RenderedImage
from builder.render.production import render_service_image
from builder.render.proxy import render_proxy_image

AUTO = "auto"


def provide_service_images(
    wanted: Mapping[str, str],
    *,
    repository: str,
    base: str,
    mirror: str | None,
    registry: Registry,
    work: Path,
    epoch: int,
    builder: str | None,
    run: Runner,
    env: Mapping[str, str],
    watcher: Watcher,
) -> dict[str, str]:
    """Have every service's image in the registry; each by digest.

    An image is named by what it is made from: where the registry has it, nothing is built.

    Args:
        wanted: by service an image by digest, or `auto`.
        repository: the shop's own, e.g. `localhost:5000/shop`; services lie beside it.
        base: the base image by digest.
        mirror: a Debian mirror, or None.
        registry: a client for registries.
        work: a folder for the time of a build.
        epoch: the time that files carry.
        builder: the buildx builder, or None.
        run: runs programs.
        env: the environment for client programs.
        watcher: told of progress.

    Raises:
        BuildError, RegistryError, HostError: it cannot be built or pushed.
    """
    found = {service: image for service, image in wanted.items() if image != AUTO}
    made = {
        service: render_proxy_image(base, mirror)
        if service == "proxy"
        else render_service_image(service, base, mirror)
        for service, image in wanted.items()
        if image == AUTO
    }
    for service, image in made.items():
        reference = _reference(repository, service, image)
        digest = registry.find(reference)
        if digest is None:
            provide_images(
                (image,), work=work, epoch=epoch, builder=builder, run=run, env=env, watcher=watcher
            )
            _push(image, reference, run, env)
            digest = registry.resolve(reference)
        found[service] = f"{reference.name}@{digest}"
    return found


def _reference(repository: str, service: str, image: RenderedImage) -> ImageReference:
    return ImageReference.parse(f"{repository}-{service}:{image.name.rpartition(':')[2]}")


def _push(
    image: RenderedImage, reference: ImageReference, run: Runner, env: Mapping[str, str]
) -> None:
    for argv in (
        ["docker", "image", "tag", image.name, str(reference)],
        ["docker", "image", "push", "--quiet", str(reference)],
    ):
        done = run(argv, env=env, timeout=1800)
        if done.returncode != 0:
            raise HostError(
                f"cannot push the image of {image.service}: {done.stderr.strip()[-300:]}",
                where=str(reference),
                hint="see that this host may push there: `docker login`",
            )
