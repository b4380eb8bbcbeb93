"""Where this host gets Debian's packages from: apt's own answer, so that private mirrors serve."""

from collections.abc import Mapping
from dataclasses import dataclass, replace

import requests

from builder.errors import HostError
from builder.process import Runner


@dataclass(frozen=True, slots=True)
class Mirror:
    """Debian's packages.

    Attributes:
        packages: address of the archive.
        security: address of its security updates; None where none were found.
    """

    packages: str
    security: str | None


def find_mirror(run: Runner, env: Mapping[str, str], chosen: str | None, suite: str) -> Mirror:
    """The mirror that the user has chosen, or else the one of this host.

    Args:
        run: runs apt-get.
        env: the environment for it.
        chosen: an address, or None.
        suite: the Debian release whose security updates are wanted.

    Raises:
        HostError: this host has none that could be read.
    """
    if chosen is not None:
        return Mirror(chosen.rstrip("/"), _security_beside(chosen.rstrip("/"), suite))
    mirror = _ask_apt(run, env)
    if mirror is None:
        # apt knows a source's origin only once it has read it.
        run(["apt-get", "update"], env=env, timeout=300)
        mirror = _ask_apt(run, env)
    if mirror is None:
        raise HostError(
            "this host's apt names no mirror of Debian",
            where="apt-get indextargets",
            hint="name one: kiln setup --mirror ADDRESS",
        )
    # A host without security updates must not make images without them.
    return replace(mirror, security=mirror.security or _security_beside(mirror.packages, suite))


def _security_beside(packages: str, suite: str) -> str | None:
    address = f"{packages.removesuffix('/debian')}/debian-security"
    try:
        there = requests.head(
            f"{address}/dists/{suite}-security/InRelease", timeout=10, allow_redirects=True
        ).ok
    except requests.RequestException:
        there = False
    return address if there else None


def _ask_apt(run: Runner, env: Mapping[str, str]) -> Mirror | None:
    try:
        asked = run(
            [
                "apt-get",
                "indextargets",
                "--format",
                "$(LABEL)\t$(REPO_URI)",
                "Created-By: Packages",
                "Origin: Debian",
            ],
            env=env,
            timeout=60,
        )
    except FileNotFoundError:
        return None
    found = dict(
        reversed([line.split("\t", 1) for line in asked.stdout.splitlines() if "\t" in line])
    )
    if "Debian" not in found:
        return None
    security = found.get("Debian-Security")
    return Mirror(found["Debian"].rstrip("/"), security.rstrip("/") if security else None)
