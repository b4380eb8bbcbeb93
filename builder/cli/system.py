"""Opening a system for the commands that show and change it."""

import contextlib
import getpass
import os
import socket
import sys
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import partial
from pathlib import Path

import click

from builder.cli.build import resolve_base
from builder.cli.output import BuildView, ReleaseView
from builder.cli.settings import Settings, read_settings
from builder.deploy.engine import connect
from builder.deploy.hooks import Hooks
from builder.deploy.keeper import Keeper, LeaseHolder
from builder.deploy.lease import Lease, hold_lease, this_process
from builder.deploy.on_host import OnHost
from builder.deploy.service_images import AUTO, provide_service_images
from builder.deploy.site import Driver, Site
from builder.deploy.state import NOTHING, HostState, read_state
from builder.deploy.swarm.driver import open_swarm
from builder.errors import EngineError, ProjectFileError, RefusedError
from builder.magento.shop import inspect_platform, require_lock
from builder.plan.development import reported_database
from builder.plan.stack import Stack, plan_stack
from builder.process import run
from builder.project.environments import DEVELOPMENT, Environment, load_environment
from builder.project.loading import Project, load_project
from builder.render.templates import template_folder
from builder.secrets.changes import EnvironmentSecrets, wanted_values
from builder.secrets.sources import open_source

environment_argument = click.argument("environment")


@dataclass(frozen=True, slots=True)
class System:
    """A system and its host, before anything is locked."""

    settings: Settings
    project: Project
    environment: Environment
    stack: Stack
    driver: Driver

    def state(self) -> tuple[Keeper | None, HostState]:
        """What is recorded on the host; nothing where nothing was deployed."""
        keeper = self.driver.find_keeper()
        return keeper, read_state(keeper) if keeper else NOTHING


def open_system(path: Path, name: str) -> System:
    """Read the project and the environment, and reach its host."""
    settings = read_settings()
    project = load_project(path)
    environment = load_environment(project.root, name)
    deploy = environment.file.deploy
    file = template_folder() / "production" / "maintenance.html"
    if deploy and deploy.maintenance.page:
        file = project.root / deploy.maintenance.page
    try:
        page = file.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise ProjectFileError(
            f"the maintenance page cannot be read: {error}",
            where=environment.where("deploy", "maintenance", "page"),
            hint="name an HTML file, relative to kiln.yaml",
        ) from None
    stack = plan_stack(project, environment, page)
    return System(settings, project, environment, stack, _open_driver(stack, settings.env))


def _open_driver(stack: Stack, env: Mapping[str, str]) -> Driver:
    if stack.deploy.swarm is not None:
        return open_swarm(stack, stack.deploy.swarm, env, run)
    return OnHost(connect(stack.deploy.host, env, run), stack)


def open_secrets(path: Path, environment_name: str) -> EnvironmentSecrets:
    """The secrets of an environment of the project at `path`.

    Raises:
        ProjectFileError: the project or the environment is not right, or has no source.
    """
    project = load_project(path)
    return find_secrets(read_settings(), project, load_environment(project.root, environment_name))


def find_secrets(
    settings: Settings, project: Project, environment: Environment
) -> EnvironmentSecrets:
    """The secrets of an environment that was read.

    Raises:
        ProjectFileError: it has no source.
    """
    if environment.name == DEVELOPMENT:
        raise ProjectFileError(
            "`kiln dev up` gives the development system its secrets, and takes new ones over",
            where=environment.where(),
            hint="change the value in its source, then run `kiln dev up`",
        )
    if environment.file.secrets is None:
        raise ProjectFileError(
            f"{environment.name} is abstract: it has no secrets of its own",
            where=environment.where(),
            hint="name an environment that extends it",
        )
    record = settings.tree_state(project) / environment.name / "secrets.json"
    source = open_source(environment.file.secrets, project.root, settings.env, run)
    return EnvironmentSecrets(environment, source, record)


def whoami() -> str:
    """Who changes a system: user@host."""
    return f"{getpass.getuser()}@{socket.gethostname()}"


@contextlib.contextmanager
def open_site(system: System, view: ReleaseView) -> Iterator[tuple[Site, HostState]]:
    """Hold the system's lease; on an empty host, start the keeper first."""
    stack, driver = system.stack, system.driver
    keeper, state = system.state()
    images = _service_images(system, state)
    version = _database_version(system)
    if keeper is None:
        view.step("start the keeper, which holds the state on the host")
        keeper = driver.start_keeper(images, version)
        # Only now what ran is known.
        images = _service_images(system, read_state(keeper))
    driver.refuse_moved(keeper)
    with hold_system(keeper) as (lease, state):
        driver.begin(keeper, lease.token, view.detail)
        root = system.project.root
        here = partial(run, folder=root)
        secrets = find_secrets(system.settings, system.project, system.environment)
        site = Site(
            stack=stack,
            driver=driver,
            keeper=keeper,
            lease=lease,
            proxy=driver.proxy(keeper, lease.token),
            replicas=most_replicas(stack, state),
            images=images,
            database_version=version,
            run=here,
            wanted_secrets=lambda: wanted_values(secrets),
            hook=Hooks(root / stack.deploy.hooks, stack, system.settings.env, here, view.detail),
            watcher=view,
        )
        yield site, state


def most_replicas(stack: Stack, state: HostState) -> int:
    """Servers that each slot needs: any release may be gone back to, or be half-way. Pure."""
    recorded = [one.release.replicas for one in state.releases.values()]
    return max([stack.deploy.web.replicas, *recorded])


@contextlib.contextmanager
def hold_system(keeper: Keeper) -> Iterator[tuple[Lease, HostState]]:
    """Hold a system's lease alone; what is recorded, now that nobody else changes it."""
    holder = LeaseHolder(
        owner=f"{whoami()}, process {os.getpid()}",
        command=" ".join(["kiln", *sys.argv[1:]]),
        since=datetime.now(UTC).isoformat(timespec="seconds"),
        process=this_process(),
    )
    with hold_lease(keeper, holder) as lease:
        yield lease, read_state(keeper)


def require_keeper(system: System) -> Keeper:
    """The keeper of a system that is deployed.

    Raises:
        RefusedError: nothing was deployed.
        EngineError: the keeper does not run.
    """
    keeper = system.driver.find_keeper()
    if keeper is not None:
        return keeper
    name = system.environment.name
    if system.driver.containers():
        raise EngineError(
            "the keeper, which holds the state on the host, does not run",
            where=system.stack.name,
            hint=f"`kiln resume {name}` starts it again",
        )
    raise RefusedError(
        "nothing is deployed yet", where=system.stack.name, hint=f"`kiln deploy {name}` is first"
    )


def _service_images(system: System, state: HostState) -> Mapping[str, str]:
    """Those that run; a new version of Kiln must not start a database anew by the way."""
    wanted = {"proxy": AUTO, **system.stack.services}
    images = {
        service: state.services.get(service, AUTO) if image == AUTO else image
        for service, image in wanted.items()
    }
    if AUTO not in images.values():
        return images
    project, settings = system.project, system.settings
    platform = inspect_platform(project, require_lock(project.root))
    with BuildView(()) as view:
        return provide_service_images(
            images,
            repository=project.repository,
            base=resolve_base(project, platform.suite, settings),
            mirror=project.file.base.mirror,
            registry=settings.registry(project),
            work=settings.tree_cache(project) / "services",
            epoch=settings.epoch,
            builder=project.file.build.builder,
            run=run,
            env=settings.env,
            watcher=view,
        )


def _database_version(system: System) -> str | None:
    """Magento refuses a database that it does not know, as Debian's may be."""
    if system.stack.services.get("database") != AUTO:
        return None
    project = system.project
    return reported_database(inspect_platform(project, require_lock(project.root)))
