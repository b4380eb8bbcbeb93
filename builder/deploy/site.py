"""Everything that the steps of a release need, found out once."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

from builder.deploy.engine import Engine
from builder.deploy.keeper import Keeper
from builder.deploy.lease import Lease
from builder.deploy.proxy import Proxy
from builder.plan.release import Step
from builder.plan.stack import Stack
from builder.secrets.delivery import VersionedValue


class Watcher(Protocol):
    """Told of what a release does; shows it to the user."""

    def step(self, text: str) -> None:
        """A step has begun."""

    def detail(self, text: str) -> None:
        """Something is to be said about the step that is under way."""


class Hook(Protocol):
    """Runs the user's program around a step."""

    def __call__(self, moment: str, step: Step, number: int) -> None: ...


@dataclass(frozen=True, slots=True)
class Site:
    """A stack on its host, with the lease held.

    Attributes:
        stack: what it consists of.
        engine: the host's.
        keeper: the state on the host.
        lease: held; checked before each step.
        proxy: the proxy in front.
        replicas: servers a slot: what is wanted, and what the live release has.
        images: of the proxy and the services that Kiln runs, by digest.
        database_version: what the database is to say it is; None for what it is.
        root: the folder of kiln.yaml, where hooks and the backup command run.
        wanted_secrets: reads the values of all secrets.
        hook: runs hooks.
        watcher: told of progress.
    """

    stack: Stack
    engine: Engine
    keeper: Keeper
    lease: Lease
    proxy: Proxy
    replicas: int
    images: Mapping[str, str]
    database_version: str | None
    root: Path
    wanted_secrets: Callable[[], Mapping[str, VersionedValue]]
    hook: Hook
    watcher: Watcher
