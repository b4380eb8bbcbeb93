"""Everything that the steps of a release need, found out once."""

from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass
from typing import Literal, Protocol

from docker.models.containers import Container

from builder.deploy.engine import Engine
from builder.deploy.keeper import Keeper
from builder.deploy.lease import Lease
from builder.deploy.proxy import Drained
from builder.deploy.proxy_reader import ProxyState, Traffic
from builder.deploy.prune import Found, Garbage
from builder.plan.proxy import Mode, Slot
from builder.plan.release import DeployPlan, Release, Step
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


class ProxyView(Protocol):
    """The proxy of a stack, or all of them as one, to be asked: `ProxyReader`."""

    def live(self) -> Slot | None:
        """The slot that requests go to, or None."""

    def versions(self) -> dict[str, str]:
        """Which backend has which content version."""

    def traffic(self, slot: Slot) -> Traffic:
        """What a slot was asked so far; compare two with `Traffic.since`."""

    def overview(self) -> ProxyState:
        """All at once."""


class ProxyControl(ProxyView, Protocol):
    """The proxy of a stack, or all of them as one, to be told as well: `Proxy`."""

    def set_live(self, slot: Slot | None) -> None:
        """Send requests to a slot from now on; None answers 503."""

    def set_versions(self, versions: Mapping[str, str]) -> None:
        """Say which backend has which content version."""

    def set_mode(self, mode: Mode) -> None:
        """Open the shop, or answer 503 to all but allowed addresses."""

    def configure(self, files: Mapping[str, bytes]) -> object:
        """Run another configuration, without losing a request."""

    def runs(self, config: str) -> bool:
        """Whether a configuration is run."""

    def wait_up(self, slot: Slot, count: int, seconds: float) -> object:
        """Wait until requests would be sent to so many servers of a slot."""

    def wait_assets_up(self, k: int, seconds: float) -> None:
        """Wait until requests would be sent to the k-th older release's static content."""

    def drain(
        self, slot: Slot, seconds: float, on_progress: Callable[[int], None] = ...
    ) -> Drained:
        """Wait until a slot has no request any more; nothing is cut off."""


class Driver(Protocol):
    """Runs a stack's containers: on one host, or on the nodes of a swarm.

    What it does can be done again, and ends where it was ended: a kiln that is killed half-way
    loses nothing.
    """

    @property
    def engine(self) -> Engine:
        """An engine that answers, and has the images that were pulled."""

    @property
    def address(self) -> str:
        """Where the system is, for messages."""

    def find_keeper(self) -> Keeper | None:
        """The state of the stack; None where nothing was deployed, or nobody holds it."""

    def start_keeper(self, images: Mapping[str, str], database_version: str | None) -> Keeper:
        """Have a keeper; the first thing on an empty host."""

    def refuse_moved(self, keeper: Keeper) -> None:
        """See that a system is still where it was set up.

        Raises:
            RefusedError: its file says another place.
        """

    def begin(self, keeper: Keeper, token: int, tell: Callable[[str], None]) -> None:
        """What is to be done first, once the lease is held."""

    def proxy_reader(self) -> ProxyView:
        """The proxy, or all of them as one, to be asked."""

    def proxy(self, keeper: Keeper, token: int) -> ProxyControl:
        """The proxy, or all of them as one, to be told."""

    def problems(self, keeper: Keeper | None) -> tuple[str, ...]:
        """What is wrong with the hosts themselves, one sentence each."""

    def containers(self, **labels: str) -> list[Container]:
        """The containers of the stack, running or not, by `release` and `role`."""

    def client_env(self, container: Container) -> Mapping[str, str]:
        """The environment that leads a docker client to the engine of a container."""

    def refuse_plan(self) -> None:
        """See that what the environment says can be run there.

        Raises:
            RefusedError: it cannot.
        """

    # -- services -----------------------------------------------------------------------------

    def services_down(self, site: "Site") -> tuple[str, ...]:
        """The proxy and services that do not run."""

    def services_differ(self, site: "Site") -> tuple[str, ...]:
        """The proxy and services that run, and are to be others than they are."""

    def start_services(self, site: "Site", restart: Collection[str] = ()) -> None:
        """Start what does not run of the proxy and services. What runs stays as it is."""

    def proxy_differs(self, site: "Site") -> bool:
        """Whether the proxy is to have another configuration than it has."""

    def configure_proxy(self, site: "Site") -> None:
        """Give the running proxy the configuration that it is to have."""

    # -- releases -----------------------------------------------------------------------------

    def pull(self, image: str, tell: Callable[[str], None]) -> None:
        """Have an image wherever it may run, under its digest."""

    def deliver_secrets(
        self, site: "Site", folder: str, values: Mapping[str, VersionedValue]
    ) -> None:
        """Have secrets in a folder of /secrets, for the containers' user alone."""

    def describe(self, site: "Site", release: Release) -> str:
        """What the release's containers are made from, as text."""

    def run_role(
        self, site: "Site", release: Release, role: str, seconds: float, *, files: str | None = None
    ) -> str:
        """Run a role of the image once, in a container that is thrown away; what it printed.

        Args:
            site: the stack.
            release: whose image and variables.
            role: status, install, migrate or import.
            seconds: how long at most.
            files: the folder of env.php and secrets, if not the release's own.

        Raises:
            ReleaseError: it ended with an error, or not in time.
        """

    def remove_jobs(self, folder: str) -> None:
        """Remove what `run_role` has left of a folder."""

    def boot_web(self, site: "Site", release: Release, seconds: float) -> None:
        """Start the web containers, and see that they are healthy and stay it.

        Raises:
            ReleaseError: they are not within so many seconds.
        """

    def check_web(self, site: "Site", release: Release) -> None:
        """See that the web containers of a release run.

        Raises:
            ReleaseError: one has ended, is unhealthy or is missing.
        """

    def start_workers(self, site: "Site", release: Release) -> None:
        """Start cron and consumers, after those of every other release have ended."""

    def start_assets(self, site: "Site", release: Release, place: int) -> None:
        """Serve a release's static files at a place, and no other's there."""

    def start_again(self, site: "Site", release: Release) -> None:
        """Start what a release has and does not run, but for workers and jobs."""

    def stop(self, site: "Site", number: int, roles: Sequence[str], seconds: float) -> None:
        """Stop and remove containers of a release as they wish to be stopped."""

    # -- clearing up --------------------------------------------------------------------------

    def look_around(self, keeper: Keeper) -> Found:
        """See what the stack has."""

    def remove_garbage(
        self,
        keeper: Keeper,
        token: int,
        garbage: Garbage,
        seconds: float,
        tell: Callable[[str], None],
    ) -> None:
        """Remove what nothing needs; containers may finish what they serve."""

    # -- secrets ------------------------------------------------------------------------------

    def refuse_rotation(self, names: Collection[str]) -> None:
        """See that secrets can become others while the shop runs.

        Raises:
            RefusedError: one cannot.
        """

    def take_secrets(self, site: "Site", release: Release) -> None:
        """Have the running containers of a release read the secrets that its folder has now."""

    def accept_password(self, site: "Site", name: str, value: VersionedValue) -> None:
        """Let the database that Kiln runs take a new password beside the one so far.

        Raises:
            ReleaseError: it refuses.
        """

    def settle_password(self, site: "Site", name: str, value: VersionedValue) -> None:
        """Let it take the new password alone, now and after a restart."""


@dataclass(frozen=True, slots=True)
class Site:
    """A stack where it runs, with the lease held.

    Attributes:
        stack: what it consists of.
        driver: runs its containers.
        keeper: its state.
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
    driver: Driver
    keeper: Keeper
    lease: Lease
    proxy: ProxyControl
    replicas: int
    images: Mapping[str, str]
    database_version: str | None
    run: Runner
    wanted_secrets: Callable[[], Mapping[str, VersionedValue]]
    hook: Hook
    watcher: Watcher

    @property
    def engine(self) -> Engine:
        """An engine that answers, and has the images that were pulled."""
        return self.driver.engine
