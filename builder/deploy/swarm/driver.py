"""A stack on the nodes of a Docker Swarm: its services run the containers, Kiln the release."""

from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, cast

import docker.errors
from docker.models.containers import Container

from builder.deploy.engine import Engine, engine_errors, pull_image
from builder.deploy.image_files import read_labels
from builder.deploy.keeper import Keeper
from builder.deploy.prune import Found, Garbage
from builder.deploy.site import Site
from builder.deploy.state import RELEASES
from builder.deploy.swarm import secrets, services
from builder.deploy.swarm.fleet import Fleet, open_fleet
from builder.deploy.swarm.keeper import SwarmKeeper
from builder.deploy.swarm.proxies import Proxies
from builder.deploy.swarm.tasks import Tasks
from builder.errors import RefusedError, ReleaseError
from builder.plan.release import Release
from builder.plan.stack import Stack
from builder.process import Runner
from builder.project.deployment import Swarm
from builder.render.swarm import (
    PLACE_LABEL,
    RELEASE_LABEL,
    ROLE_LABEL,
    ReleaseObjects,
    Spec,
    Stored,
    render_assets,
    render_job,
    render_web,
    render_workers,
    service_name,
    text_of,
)
from builder.secrets.delivery import VersionedValue


@dataclass
class OnSwarm:
    """Runs a stack's containers on a swarm.

    Attributes:
        stack: which.
        fleet: the nodes.
    """

    stack: Stack
    fleet: Fleet
    _writable: dict[str, Sequence[str]] = field(default_factory=dict)
    _failed: dict[str, set[str]] = field(default_factory=dict)

    @property
    def tasks(self) -> Tasks:
        """The stack's."""
        return Tasks(self.fleet)

    @property
    def engine(self) -> Engine:
        up = [one.up for one in self.fleet.up if one.up is not None]
        manager = self.fleet.managers.engine
        return manager if manager in up or not up else up[0]

    @property
    def address(self) -> str:
        return ", ".join(one.name for one in self.fleet.nodes.values())

    # -- state ----------------------------------------------------------------------------------

    def find_keeper(self) -> SwarmKeeper | None:
        keeper = SwarmKeeper(self.stack.name, self.fleet.managers)
        return keeper if keeper.exists() else None

    def start_keeper(self, images: Mapping[str, str], database_version: str | None) -> SwarmKeeper:
        self.refuse_plan()
        keeper = SwarmKeeper(self.stack.name, self.fleet.managers)
        keeper.create()
        return keeper

    def refuse_moved(self, keeper: Keeper) -> None:
        """State and secrets are the swarm's own: there is no other place."""

    def begin(self, keeper: Keeper, token: int, tell: Callable[[str], None]) -> None:
        self.fleet.take_back(tell)

    def problems(self, keeper: Keeper | None) -> tuple[str, ...]:
        return self.fleet.problems()

    def refuse_plan(self) -> None:
        swarm, volume = self._swarm, self.stack.deploy.media_volume
        nodes = len(self.fleet.nodes)
        if volume is not None and volume.is_of_one_host and nodes > 1:
            raise RefusedError(
                f"media would be in a volume of each of {nodes} hosts, each with other files",
                where=f"deploy.media of {self.stack.environment}",
                hint="name a volume that all hosts share, as the README shows, or `media: "
                "{object_storage: true}` with Magento's remote storage",
            )
        if self.stack.deploy.https is not None:
            raise RefusedError(
                "the proxies of a swarm speak plain HTTP",
                where=f"deploy.https of {self.stack.environment}",
                hint="end HTTPS at the load balancer before them, and name it in trusted_proxies",
            )
        if self.fleet.down and swarm.down == "go_back":
            raise RefusedError(
                "a host is down",
                where=self.stack.name,
                details=self.problems(None),
                hint="bring it back; or `deploy.swarm.down: go_on` releases to the others",
            )

    @property
    def _swarm(self) -> Swarm:
        assert self.stack.deploy.swarm is not None
        return self.stack.deploy.swarm

    # -- proxies and services -------------------------------------------------------------------

    def proxy_reader(self) -> Proxies:
        return Proxies(self.fleet)

    def proxy(self, keeper: Keeper, token: int) -> Proxies:
        return Proxies(self.fleet)

    def containers(self, **labels: str) -> list[Container]:
        return self.fleet.containers(**labels)

    def client_env(self, container: Container) -> Mapping[str, str]:
        for node in self.fleet.up:
            if node.engine is not None and node.engine.client is container.client:
                return node.engine.env
        return self.engine.env

    def services_down(self, site: Site) -> tuple[str, ...]:
        return services.services_down(self.tasks, site)

    def services_differ(self, site: Site) -> tuple[str, ...]:
        return services.services_differ(self.tasks, site)

    def start_services(self, site: Site, restart: Collection[str] = ()) -> None:
        services.start_services(self.tasks, site, restart)

    def proxy_differs(self, site: Site) -> bool:
        return services.proxy_differs(site)

    def configure_proxy(self, site: Site) -> None:
        site.proxy.configure(services.proxy_files(site))

    # -- releases -------------------------------------------------------------------------------

    def pull(self, image: str, tell: Callable[[str], None]) -> None:
        def on(engine: Engine) -> None:
            pull_image(engine, image, lambda text: tell(f"{engine.name} {text}"))

        self.fleet.each(on, bound=self._swarm.pulls)

    def deliver_secrets(
        self, site: Site, folder: str, values: Mapping[str, VersionedValue]
    ) -> None:
        _swarm_keeper(site).install_secrets(site.lease.token, folder, values)

    def describe(self, site: Site, release: Release) -> str:
        # IDs are the swarm's, and versions of secrets may become others without a release.
        objects = ReleaseObjects(
            Stored("env.php", ""),
            {name: Stored(name, "") for name in release.secrets},
            self._read_writable(release.image),
            self.stack.name,
        )
        specs = [
            render_web(self.stack, release, objects),
            *render_workers(self.stack, release, objects),
        ]
        return text_of(specs)

    def run_role(
        self, site: Site, release: Release, role: str, seconds: float, *, files: str | None = None
    ) -> str:
        folder = files or f"r{release.number}"
        objects = self._objects(site, release, files or str(release.number))
        return self.tasks.run_job(
            site, render_job(self.stack, release, objects, role, folder), seconds
        )

    def remove_jobs(self, folder: str) -> None:
        prefix = service_name(self.stack.name, f"{folder}-job-")
        for one in self.tasks.services(role="job"):
            if one["Spec"]["Name"].startswith(prefix):
                self.fleet.managers.remove("services", one["Spec"]["Name"])

    def boot_web(self, site: Site, release: Release, seconds: float) -> None:
        spec = render_web(self.stack, release, self._objects(site, release, str(release.number)))
        name = spec["Name"]
        # One that serves already may have failed at some time.
        known = self._failed.setdefault(name, self.tasks.failed(name))
        self._start(site, spec)
        stable = self.stack.deploy.timeouts.stable
        self.tasks.wait_running(name, release.replicas, seconds, stable=stable, known=known)

    def check_web(self, site: Site, release: Release) -> None:
        name = service_name(self.stack.name, f"r{release.number}-web")
        self.fleet.check()
        self.tasks.refuse_failed(name, self._failed.get(name, ()))
        running = len(self.tasks.running(name))
        # What was on a host that is down is started on another.
        if running < (1 if self.fleet.down else release.replicas):
            raise ReleaseError(
                f"only {running} of its {release.replicas} web containers are there",
                where=f"release {release.number}",
                hint=f"`docker service ps {name}` says more",
            )

    def start_workers(self, site: Site, release: Release) -> None:
        others = [
            one["Spec"]["Name"]
            for role in ("cron", "consumer")
            for one in self.tasks.services(role=role)
            if one["Spec"]["Labels"].get(RELEASE_LABEL) != str(release.number)
        ]
        self._stop(site, others, self.stack.deploy.timeouts.work)
        objects = self._objects(site, release, str(release.number))
        for spec in render_workers(self.stack, release, objects):
            self._start(site, spec)

    def start_assets(self, site: Site, release: Release, place: int) -> None:
        for one in self.tasks.services(role="assets"):
            labels = one["Spec"]["Labels"]
            here = labels.get(PLACE_LABEL) == str(place)
            if here != (labels.get(RELEASE_LABEL) == str(release.number)):
                self._stop(site, [one["Spec"]["Name"]], 10)
        objects = ReleaseObjects(
            Stored("", ""), {}, self._read_writable(release.image), services.network_id(self.tasks)
        )
        spec = render_assets(self.stack, release, objects, place)
        known = self.tasks.failed(spec["Name"])
        self._start(site, spec)
        seconds = self.stack.deploy.timeouts.boot
        self.tasks.wait_running(spec["Name"], 1, seconds, stable=0, known=known)

    def start_again(self, site: Site, release: Release) -> None:
        """Swarm does so itself."""

    def stop(self, site: Site, number: int, roles: Sequence[str], seconds: float) -> None:
        found = [
            one["Spec"]["Name"]
            for one in self.tasks.services(release=str(number))
            if one["Spec"]["Labels"].get(ROLE_LABEL) in roles
        ]
        self._stop(site, found, seconds)

    def _stop(self, site: Site, names: Sequence[str], seconds: float) -> None:
        if not names:
            return
        site.lease.check()
        for name in self.tasks.stop(names, seconds + 10):
            site.watcher.detail(f"{name} did not end within {seconds:.0f} s and was killed")

    def _start(self, site: Site, spec: Spec) -> None:
        """Make a service; one that is there already stays as it is, as on one host.

        One that was being stopped, by a kiln that came to no end with it, has its tasks again.
        """

        def again(found: Spec) -> bool:
            replicated = found["Mode"].get("Replicated")
            if replicated is None or replicated["Replicas"]:
                return False
            replicated["Replicas"] = spec["Mode"]["Replicated"]["Replicas"]
            return True

        site.lease.check()
        auth = self.tasks.auth(spec)
        self.fleet.managers.create("services", spec, auth)
        self.fleet.managers.update("services", spec["Name"], again, auth)

    def _objects(self, site: Site, release: Release, folder: str) -> ReleaseObjects:
        keeper = _swarm_keeper(site)
        return ReleaseObjects(
            keeper.config(f"{RELEASES}/{folder}/env.php"),
            keeper.secrets(folder),
            self._read_writable(release.image),
            services.network_id(self.tasks),
        )

    def _read_writable(self, image: str) -> Sequence[str]:
        if image not in self._writable:
            self._writable[image] = read_labels(self.engine, image).writable
        return self._writable[image]

    # -- clearing up ----------------------------------------------------------------------------

    def look_around(self, keeper: Keeper) -> Found:
        images = self.fleet.each(_image_digests)
        return Found(
            containers={
                one["Spec"]["Name"]: (labels[RELEASE_LABEL], labels.get(ROLE_LABEL, ""))
                for one in self.tasks.services()
                for labels in [one["Spec"]["Labels"]]
                if RELEASE_LABEL in labels
            },
            secrets=keeper.list("/secrets"),
            records=keeper.list(RELEASES),
            images=set().union(*images.values()),
        )

    def remove_garbage(
        self,
        keeper: Keeper,
        token: int,
        garbage: Garbage,
        seconds: float,
        tell: Callable[[str], None],
    ) -> None:
        self.tasks.stop(garbage.containers, seconds)
        folders = [f"/secrets/{name}" for name in garbage.secrets]
        folders += [f"{RELEASES}/{name}" for name in garbage.records]
        if folders:
            keeper.remove(token, *folders)

        def remove_images(engine: Engine) -> None:
            for image in garbage.images:
                _remove_image(engine, image, tell)

        if garbage.images:
            self.fleet.each(remove_images)

    # -- secrets --------------------------------------------------------------------------------

    def refuse_rotation(self, names: Collection[str]) -> None:
        queue = self.stack.queue
        if queue is not None and queue[1] in names:
            raise RefusedError(
                f"{queue[1]} is the password of a RabbitMQ that Kiln runs, which keeps the one "
                "that it began with",
                where=self.stack.name,
                hint="put the old value back in its source; for another one run RabbitMQ elsewhere",
            )

    def take_secrets(self, site: Site, release: Release) -> None:
        secrets.update_services(self.tasks, site, _swarm_keeper(site), release)

    def accept_password(self, site: Site, name: str, value: VersionedValue) -> None:
        secrets.accept_password(self.fleet, name, value)

    def settle_password(self, site: Site, name: str, value: VersionedValue) -> None:
        secrets.settle_password(self.fleet, value)


def _swarm_keeper(site: Site) -> SwarmKeeper:
    return cast(SwarmKeeper, site.keeper)


def _image_digests(engine: Engine) -> set[str]:
    with engine_errors(engine.name):
        images: list[dict[str, Any]] = engine.client.api.images()
    return {digest for one in images for digest in one["RepoDigests"] or ()}


def _remove_image(engine: Engine, image: str, tell: Callable[[str], None]) -> None:
    with engine_errors(engine.name):
        try:
            engine.client.images.remove(image)
        except docker.errors.APIError as error:
            # Not there, or another stack's container uses it.
            if error.status_code not in (404, 409):
                tell(f"{image} stays on {engine.name}: {error.explanation}")


def open_swarm(stack: Stack, swarm: Swarm, env: Mapping[str, str], run: Runner) -> OnSwarm:
    """Reach the swarm of a stack.

    Raises:
        HostError: no manager answers.
    """
    return OnSwarm(stack, open_fleet(stack, swarm, env, run))
