"""Everything that the steps of a release need, found out once."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Literal, Protocol

from builder.deploy.engine import Engine
from builder.deploy.keeper import Keeper
from builder.deploy.lease import Lease
from builder.deploy.proxy import Proxy
from builder.plan.release import DeployPlan, Step
from builder.plan.stack import Stack
from builder.process import Runner
from builder.secrets.delivery import VersionedValue

# How a release ends, as far as this process sees it.
Outcome = Literal["live", "put back", "unfinished", "interrupted"]


class Watcher(Protocol):
    """Told of what a release does; shows it to the user."""

    def step(self, text: str) -> None:
        """A step has begun."""

    def detail(self, text: str) -> None:
        """Something is to be said about the step that is under way."""


class Hook(Protocol):
    """Runs the user's programs around a release and its steps."""

    def __call__(self, moment: str, step: Step, number: int) -> None:
        """A step of a release is next, or has ended."""

    def begin(self, plan: DeployPlan) -> None:
        """A release is about to begin."""

    def end(self, plan: DeployPlan, outcome: Outcome, reason: str) -> None:
        """A release has ended, well or not; nothing that goes wrong here changes that."""


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
        run: runs programs in the folder of kiln.yaml.
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
    run: Runner
    wanted_secrets: Callable[[], Mapping[str, VersionedValue]]
    hook: Hook
    watcher: Watcher
