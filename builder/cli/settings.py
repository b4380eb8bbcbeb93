"""What commands take from the environment, read once."""

import os
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

from builder.errors import ProjectFileError
from builder.plan.build import DEFAULT_EPOCH
from builder.project.loading import Project
from builder.project.tree import tree_suffix
from builder.registry.access import RegistryAccess
from builder.registry.client import Registry


@dataclass(frozen=True, slots=True)
class Settings:
    """The user's surroundings.

    Attributes:
        env: the environment, passed on to client programs.
        cache: KILN_CACHE, or `kiln` in the user's cache folder; may be removed at any time.
        state: KILN_STATE, or `kiln` in the user's state folder; what is remembered on this host.
        epoch: SOURCE_DATE_EPOCH, or Kiln's own.
    """

    # A dataclass shows its fields, and variables may hold secrets.
    env: Mapping[str, str] = field(repr=False)
    cache: Path
    state: Path
    epoch: int

    def tree_cache(self, project: Project) -> Path:
        """The cache folder of one tree."""
        return self.cache / _folder_of(project)

    def tree_state(self, project: Project) -> Path:
        """The state folder of one tree."""
        return self.state / _folder_of(project)

    def registry(self, project: Project | None = None) -> Registry:
        """A client for registries."""
        return Registry(self.registry_access(project))

    def registry_access(self, project: Project | None = None) -> RegistryAccess:
        """The user's logins and proxies, and the project's CA bundle."""
        folder = Path(self.env.get("DOCKER_CONFIG") or Path.home() / ".docker")
        config = folder / "config.json"
        proxies = {
            name: value
            for name in ("http", "https")
            if (value := self._either(f"{name}_proxy")) is not None
        }
        if (bypass := self._either("no_proxy")) is not None:
            proxies["no_proxy"] = bypass
        bundle = None
        if project and project.file.build.ca_bundle:
            bundle = project.root / project.file.build.ca_bundle
        elif named := self.env.get("SSL_CERT_FILE") or self.env.get("REQUESTS_CA_BUNDLE"):
            bundle = Path(named)
        return RegistryAccess(
            auth_config=config if config.is_file() else None, ca_bundle=bundle, proxies=proxies
        )

    def _either(self, name: str) -> str | None:
        return self.env.get(name) or self.env.get(name.upper())


def _folder_of(project: Project) -> str:
    return f"{project.file.name}-{tree_suffix(project.root)}"


def read_settings() -> Settings:
    """Read the environment.

    Raises:
        ProjectFileError: SOURCE_DATE_EPOCH is not a number.
    """
    env = dict(os.environ)
    base = env.get("XDG_CACHE_HOME") or str(Path.home() / ".cache")
    state = env.get("XDG_STATE_HOME") or str(Path.home() / ".local/state")
    epoch = env.get("SOURCE_DATE_EPOCH", "")
    if epoch and not epoch.isdigit():
        raise ProjectFileError(
            f"{epoch!r} is not a number of seconds",
            where="SOURCE_DATE_EPOCH",
            hint="unset it, or set it to seconds since 1970",
        )
    return Settings(
        env=env,
        cache=Path(env.get("KILN_CACHE") or Path(base) / "kiln").resolve(),
        state=Path(env.get("KILN_STATE") or Path(state) / "kiln").resolve(),
        epoch=int(epoch) if epoch else DEFAULT_EPOCH,
    )
