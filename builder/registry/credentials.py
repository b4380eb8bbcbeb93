"""The login for a registry, found in docker's config.json as docker finds it.

Rules: docker/cli `cli/config/configfile` and docker-credential-helpers.
"""

import base64
import json
import subprocess
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from builder.errors import RegistryError
from builder.process import Runner
from builder.registry.reference import DOCKER_HUB

_DOCKER_HUB_LOGIN = "https://index.docker.io/v1/"


@dataclass(frozen=True, slots=True)
class Credentials:
    """What config.json knows of a registry; secrets stay out of repr.

    Attributes:
        user, password: a login; both None without one.
        identity_token: to exchange for tokens, instead of a login.
        notes: why a login that should be there could not be had, for the user.
    """

    user: str | None = None
    password: str | None = field(default=None, repr=False)
    identity_token: str | None = field(default=None, repr=False)
    notes: tuple[str, ...] = ()

    @property
    def basic(self) -> str | None:
        """The login as HTTP Basic sends it."""
        if self.user is None:
            return None
        return base64.b64encode(f"{self.user}:{self.password}".encode()).decode()

    @property
    def known(self) -> bool:
        """Whether there is anything to log in with."""
        return self.user is not None or self.identity_token is not None


def find_credentials(config: Path | None, registry: str, run: Runner) -> Credentials:
    """Look a registry up.

    Args:
        config: docker's config.json; None, or a file that is not there, means no login.
        registry: host and optional port.
        run: runs credential helpers (`docker-credential-…`).

    Raises:
        RegistryError: the file is there and cannot be read.
    """
    if config is None or not config.is_file():
        return Credentials()
    try:
        document = json.loads(config.read_bytes())
        auths = dict(document.get("auths") or {})
        helpers = dict(document.get("credHelpers") or {})
        store = document.get("credsStore")
    except (OSError, ValueError, AttributeError, TypeError) as error:
        raise RegistryError(
            f"docker's configuration cannot be read: {error}",
            where=str(config),
            hint="mend the file, or log in again with `docker login`",
        ) from error
    server = _DOCKER_HUB_LOGIN if registry == DOCKER_HUB else registry
    found = Credentials()
    if helper := helpers.get(server) or helpers.get(registry) or store:
        found = _ask_helper(f"docker-credential-{helper}", server, run)
        if found.known:
            return found
    for key, entry in auths.items():
        if _host(key) == _host(server) and isinstance(entry, dict):
            return _read_login(entry, found.notes)
    return found


def _ask_helper(program: str, server: str, run: Runner) -> Credentials:
    try:
        done = run([program, "get"], stdin=server.encode(), timeout=60)
        if done.returncode != 0:
            said = (done.stdout.strip() or done.stderr.strip())[:200]
            return Credentials(notes=(f"{program}: {said}",))
        answer = json.loads(done.stdout)
        user, secret = str(answer["Username"]), str(answer["Secret"])
    except FileNotFoundError:
        return Credentials(notes=(f"{program}, named in docker's config.json, is not installed",))
    except (subprocess.TimeoutExpired, OSError, ValueError, KeyError, TypeError) as error:
        return Credentials(notes=(f"{program}: {type(error).__name__}",))
    if user == "<token>":
        return Credentials(identity_token=secret)
    return Credentials(user, secret)


def _read_login(entry: Mapping[str, Any], notes: tuple[str, ...]) -> Credentials:
    if entry.get("identitytoken"):
        return Credentials(identity_token=str(entry["identitytoken"]))
    if entry.get("auth"):
        try:
            login = base64.b64decode(str(entry["auth"]), validate=True).decode().rstrip("\0")
        except ValueError:
            return Credentials(notes=(*notes, "the login in docker's config.json is not base64"))
        user, _, password = login.partition(":")
        return Credentials(user, password)
    if entry.get("username"):
        return Credentials(str(entry["username"]), str(entry.get("password", "")))
    return Credentials(notes=notes)


def _host(key: str) -> str:
    return key.removeprefix("https://").removeprefix("http://").partition("/")[0]
