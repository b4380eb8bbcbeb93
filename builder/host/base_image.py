"""The base image: pulled where Docker Hub can be reached, else made from Debian's packages."""

import subprocess
import tempfile
from collections.abc import Callable, Mapping
from pathlib import Path

import requests

from builder.errors import HostError, RegistryError
from builder.process import Runner
from builder.registry.client import Registry
from builder.registry.reference import ImageReference

LOCAL_REGISTRY = "localhost:5000"
DEFAULT_MIRROR = "http://deb.debian.org/debian"
_HUB = "https://registry-1.docker.io/v2/"
# mmdebstrap gives every file at most this time, so that the same packages give the same image.
_EPOCH = "1577836800"


def base_reference(suite: str) -> ImageReference:
    """Where the base image of a Debian release is kept."""
    return ImageReference.parse(f"{LOCAL_REGISTRY}/kiln/base:{suite}")


def has_base_image(registry: Registry, suite: str) -> bool:
    """Whether the local registry holds the base image."""
    try:
        registry.resolve(base_reference(suite))
    except RegistryError:
        return False
    return True


def provide_base_image(
    run: Runner, env: Mapping[str, str], suite: str, mirror: str, tell: Callable[[str], None]
) -> None:
    """Put the base image into the local registry.

    Args:
        run: runs programs.
        env: the environment for them.
        suite: a Debian release, e.g. `bookworm`.
        mirror: Debian's packages, an address.
        tell: says what is being done.

    Raises:
        HostError: neither way worked.
    """
    reference = str(base_reference(suite))
    if _hub_answers():
        tell(f"pulling debian:{suite}-slim")
        if run(["docker", "pull", f"debian:{suite}-slim"], env=env, timeout=600).returncode == 0:
            _docker(run, env, "tag", f"debian:{suite}-slim", reference)
            _docker(run, env, "push", reference)
            return
    tell(f"making the base image from Debian {suite}'s packages (about half a minute)")
    with tempfile.TemporaryDirectory(prefix="kiln-base-") as folder:
        archive = Path(folder) / "base.tar"
        made = run(
            bootstrap_argv(suite, mirror, archive),
            env={**env, "SOURCE_DATE_EPOCH": _EPOCH},
            timeout=900,
        )
        if made.returncode != 0:
            raise HostError(
                f"mmdebstrap could not make a base image of Debian {suite}",
                where=mirror,
                hint="check that the mirror can be reached; `kiln setup --mirror` names another",
                details=tuple(made.stderr.splitlines()[-15:]),
            )
        _docker(run, env, "import", str(archive), reference)
    _docker(run, env, "push", reference)


def bootstrap_argv(suite: str, mirror: str, archive: Path) -> list[str]:
    """The command that writes a minimal Debian, with its security updates. Pure."""
    security = mirror.rstrip("/").removesuffix("/debian") + "/debian-security"
    return [
        "mmdebstrap",
        "--variant=minbase",
        "--quiet",
        suite,
        str(archive),
        f"deb {mirror} {suite} main",
        f"deb {mirror} {suite}-updates main",
        f"deb {security} {suite}-security main",
    ]


def _hub_answers() -> bool:
    try:
        return requests.get(_HUB, timeout=5).status_code in (200, 401)
    except requests.RequestException:
        return False


def _docker(run: Runner, env: Mapping[str, str], *arguments: str) -> None:
    try:
        done = run(["docker", *arguments], env=env, timeout=600)
    except subprocess.TimeoutExpired:
        raise HostError("took longer than 600 s", where=f"docker {arguments[0]}") from None
    if done.returncode != 0:
        raise HostError(
            (done.stderr.strip().splitlines() or ["failed"])[-1], where=f"docker {arguments[0]}"
        )
