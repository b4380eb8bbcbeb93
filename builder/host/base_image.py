"""The base image: pulled where Docker Hub can be reached, else made from Debian's packages."""

import subprocess
import tempfile
from collections.abc import Callable, Mapping
from pathlib import Path

from builder.errors import HostError, RegistryError
from builder.host.mirror import Mirror, find_mirror
from builder.process import Runner
from builder.registry.client import Registry
from builder.registry.reference import ImageReference

LOCAL_REGISTRY = "localhost:5000"
# mmdebstrap gives every file at most this time, so that the same packages give the same image.
_EPOCH = "1577836800"
# In the place of usrmerge, which would bring Perl's 50 MB.
_USR_IS_MERGED = (
    "--hook-dir=/usr/share/mmdebstrap/hooks/maybe-merged-usr",
    "--include=usr-is-merged",
)
# Packages that are installed later leave the same out: dpkg keeps these options. Source:
# debuerreotype's .slimify-excludes and .slimify-includes, by which Debian's slim images are made.
_SLIM = (
    "path-exclude=/usr/share/doc/*",
    "path-include=/usr/share/doc/*/copyright",
    "path-exclude=/usr/share/info/*",
    "path-exclude=/usr/share/lintian/overrides/*",
    "path-exclude=/usr/share/locale/*",
    "path-exclude=/usr/share/man/*",
)


def base_reference(suite: str) -> ImageReference:
    """Where the base image of a Debian release is kept."""
    return ImageReference.parse(f"{LOCAL_REGISTRY}/kiln/base:{suite}")


def has_base_image(registry: Registry, suite: str) -> bool:
    """Whether the local registry holds the base image."""
    return _is_there(registry, base_reference(suite))


def _is_there(registry: Registry, reference: ImageReference) -> bool:
    try:
        registry.resolve(reference)
    except RegistryError:
        return False
    return True


def provide_base_image(
    run: Runner,
    env: Mapping[str, str],
    registry: Registry,
    suite: str,
    mirror: str | None,
    tell: Callable[[str], None],
) -> None:
    """Put the base image into the local registry.

    Args:
        run: runs programs.
        env: the environment for them.
        registry: a client.
        suite: a Debian release, e.g. `bookworm`.
        mirror: address of Debian's packages; None takes this host's.
        tell: says what is being done.

    Raises:
        HostError: neither way worked.
    """
    reference = str(base_reference(suite))
    public = f"debian:{suite}-slim"
    if _is_there(registry, ImageReference.parse(public)):
        tell(f"pulling {public}")
        if run(["docker", "pull", public], env=env, timeout=600).returncode == 0:
            _docker(run, env, "tag", public, reference)
            _docker(run, env, "push", reference)
            return
    source = find_mirror(run, env, mirror, suite)
    tell(f"making the base image from Debian {suite}'s packages (about half a minute)")
    with tempfile.TemporaryDirectory(prefix="kiln-base-") as folder:
        archive = Path(folder) / "base.tar"
        made = run(
            bootstrap_argv(suite, source, archive),
            env={**env, "SOURCE_DATE_EPOCH": _EPOCH},
            timeout=900,
        )
        if made.returncode != 0:
            raise HostError(
                f"mmdebstrap could not make a base image of Debian {suite}",
                where=source.packages,
                hint="check that the mirror can be reached; `kiln setup --mirror` names another",
                details=tuple(made.stderr.splitlines()[-15:]),
            )
        _docker(run, env, "import", str(archive), reference)
    _docker(run, env, "push", reference)


def bootstrap_argv(suite: str, mirror: Mirror, archive: Path) -> list[str]:
    """The command that writes a minimal Debian, with its security updates. Pure.

    It has the packages of `debian:SUITE-slim`, and leaves out what that does.
    """
    argv = ["mmdebstrap", "--variant=minbase", "--quiet", *_USR_IS_MERGED]
    argv += [f"--dpkgopt={option}" for option in _SLIM]
    argv += [suite, str(archive)]
    argv += [f"deb {mirror.packages} {suite} main", f"deb {mirror.packages} {suite}-updates main"]
    if mirror.security:
        argv += [f"deb {mirror.security} {suite}-security main"]
    return argv


def _docker(run: Runner, env: Mapping[str, str], *arguments: str) -> None:
    try:
        done = run(["docker", *arguments], env=env, timeout=600)
    except subprocess.TimeoutExpired:
        raise HostError("took longer than 600 s", where=f"docker {arguments[0]}") from None
    if done.returncode != 0:
        raise HostError(
            (done.stderr.strip().splitlines() or ["failed"])[-1], where=f"docker {arguments[0]}"
        )
