"""A stack on one host: docker compose runs its containers, each release a project of its own."""

import time
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass
from typing import cast

import docker.errors
from docker.models.containers import Container

from builder.deploy import services
from builder.deploy.delivery import write_secrets
from builder.deploy.engine import (
    RELEASE_LABEL,
    ROLE_LABEL,
    WORKERS,
    Engine,
    engine_errors,
    last_lines,
    pull_image,
    run_compose,
    stack_containers,
    stop_containers,
)
from builder.deploy.image_files import read_labels
from builder.deploy.keeper import HostFile, HostKeeper, Keeper
from builder.deploy.passwords import accept_password, settle_password
from builder.deploy.proxy import Proxy
from builder.deploy.proxy_reader import ProxyReader
from builder.deploy.prune import Found, Garbage, look_around, remove_garbage
from builder.deploy.services import PROXY_FOLDER, run_in_proxy
from builder.deploy.site import Site
from builder.errors import ReleaseError
from builder.plan.release import Release
from builder.plan.stack import Stack
from builder.render.production import consumer_service, render_release
from builder.secrets.delivery import VersionedValue


@dataclass(frozen=True)
class OnHost:
    """Runs a stack's containers on one host.

    Attributes:
        engine: the host's.
        stack: which.
    """

    engine: Engine
    stack: Stack

    @property
    def address(self) -> str:
        return self.engine.name

    def find_keeper(self) -> HostKeeper | None:
        return services.find_keeper(self.engine, self.stack.name)

    def start_keeper(self, images: Mapping[str, str], database_version: str | None) -> HostKeeper:
        return services.start_keeper(self.engine, self.stack, images, database_version)

    def refuse_moved(self, keeper: Keeper) -> None:
        services.refuse_moved(self.engine, self.stack, cast(HostKeeper, keeper))

    def begin(self, keeper: Keeper, token: int, tell: Callable[[str], None]) -> None:
        """There is nothing to be done first."""

    def proxy_reader(self) -> ProxyReader:
        return ProxyReader(run_in_proxy(self.engine, self.stack.name))

    def proxy(self, keeper: Keeper, token: int) -> Proxy:
        def write_file(name: str, content: bytes) -> None:
            keeper.install(token, PROXY_FOLDER, {name: HostFile(content, 0o644)})

        return Proxy(run_in_proxy(self.engine, self.stack.name), write_file)

    def problems(self, keeper: Keeper | None) -> tuple[str, ...]:
        there = self.containers()
        if there and not any(one.labels.get(ROLE_LABEL) == "keeper" for one in there):
            return ("there is no keeper",)
        return ()

    def containers(self, **labels: str) -> list[Container]:
        return stack_containers(self.engine, self.stack.name, **labels)

    def client_env(self, container: Container) -> Mapping[str, str]:
        return self.engine.env

    def refuse_plan(self) -> None:
        """One host runs all that an environment can say."""

    # -- services -----------------------------------------------------------------------------

    def services_down(self, site: Site) -> tuple[str, ...]:
        return services.services_down(site)

    def services_differ(self, site: Site) -> tuple[str, ...]:
        return services.services_differ(site)

    def start_services(self, site: Site, restart: Collection[str] = ()) -> None:
        services.start_services(site, restart)

    def proxy_differs(self, site: Site) -> bool:
        return services.proxy_differs(site)

    def configure_proxy(self, site: Site) -> None:
        services.configure_proxy(site)

    # -- releases -----------------------------------------------------------------------------

    def pull(self, image: str, tell: Callable[[str], None]) -> None:
        pull_image(self.engine, image, tell)

    def deliver_secrets(
        self, site: Site, folder: str, values: Mapping[str, VersionedValue]
    ) -> None:
        write_secrets(site.keeper, site.lease.token, folder, values)

    def describe(self, site: Site, release: Release) -> str:
        return self._compose_text(release)

    def _compose_text(self, release: Release, files: str | None = None) -> str:
        stack = self.stack
        folder = files or str(release.number)
        return render_release(
            stack,
            release,
            f"{stack.name}-{files}" if files else stack.release_project(release.number),
            env_php=f"{stack.deploy.state}/{stack.name}/releases/{folder}/env.php",
            secrets=f"{stack.deploy.secrets}/{stack.name}/{folder}",
            writable=read_labels(self.engine, release.image).writable,
        )

    def run_role(
        self, site: Site, release: Release, role: str, seconds: float, *, files: str | None = None
    ) -> str:
        project = (
            f"{self.stack.name}-{files}" if files else self.stack.release_project(release.number)
        )
        name = f"{project}-job-{role}"
        container = self._find(name)
        if container is None or container.status == "created":
            site.lease.check()
            text = self._compose_text(release, files)
            run_compose(self.engine, project, text, "up", "--detach", "--no-deps", f"job-{role}")
            container = self._find(name)
        if container is None:
            raise ReleaseError(
                f"the container for {role} is gone", where=name, hint="run this again"
            )
        code = _wait_exit(site, container, seconds)
        with engine_errors(name):
            printed = container.logs(stderr=False).decode("utf-8", "replace")
            lines = last_lines(container, 30)
            container.remove(force=True, v=True)
        if code != 0:
            raise ReleaseError(
                f"{role} ended with {code}"
                if code is not None
                else f"{role} took over {seconds:.0f} s",
                where=name,
                details=lines,
                hint="its last lines say why",
            )
        return printed

    def remove_jobs(self, folder: str) -> None:
        prefix = f"{self.stack.name}-{folder}-"
        jobs = [one for one in self.containers(role="job") if str(one.name).startswith(prefix)]
        stop_containers(jobs, 0, self.engine.name)

    def boot_web(self, site: Site, release: Release, seconds: float) -> None:
        names = [f"web-{index}" for index in range(1, release.replicas + 1)]
        # One that serves already may have crashed at some time.
        crashes = {one.id: _crashes(one) for one in self._webs(release.number)}
        self._start(site, release, *names)
        until = time.monotonic() + seconds
        stable_since: float | None = None
        while True:
            webs = self._webs(release.number)
            for container in webs:
                _refuse_failed(container, crashes.get(container.id, 0))
            healthy = sum(_health(one) == "healthy" for one in webs)
            if healthy == release.replicas:
                stable_since = stable_since or time.monotonic()
                if time.monotonic() - stable_since >= self.stack.deploy.timeouts.stable:
                    return
            else:
                stable_since = None
            if time.monotonic() > until:
                late = next((one for one in webs if _health(one) != "healthy"), None)
                raise ReleaseError(
                    f"{healthy} of {release.replicas} web containers are healthy after "
                    f"{seconds:.0f} s",
                    where=str(late.name) if late else f"release {release.number}",
                    details=last_lines(late) if late else (),
                    hint="see what it says; deploy.timeouts.boot is how long is waited",
                )
            time.sleep(0.3)

    def check_web(self, site: Site, release: Release) -> None:
        webs = self._webs(release.number)
        if len(webs) < release.replicas:
            raise ReleaseError(
                f"only {len(webs)} of its {release.replicas} web containers are there",
                where=f"release {release.number}",
                hint="somebody has removed them: `kiln history` and the engine's log say more",
            )
        for container in webs:
            _refuse_failed(container, 0)

    def start_workers(self, site: Site, release: Release) -> None:
        others = [
            one
            for one in self.containers()
            if one.labels.get(ROLE_LABEL) in WORKERS
            and one.labels.get(RELEASE_LABEL) != str(release.number)
        ]
        stop_containers(others, self.stack.deploy.timeouts.work, self.engine.name)
        names = ["cron"] if release.cron else []
        names += [consumer_service(name) for name in release.consumers]
        if names:
            self._start(site, release, *names)

    def start_assets(self, site: Site, release: Release, place: int) -> None:
        service = f"assets-{place}"
        for container in self.containers(role="assets"):
            # Another's in this place: of a release that was taken back. This one's in another
            # place: of an attempt that was taken back.
            here = container.labels.get("com.docker.compose.service") == service
            if here != (container.labels.get(RELEASE_LABEL) == str(release.number)):
                stop_containers([container], 10, self.engine.name)
        self._start(site, release, service)

    def start_again(self, site: Site, release: Release) -> None:
        for container in self.containers(release=str(release.number)):
            role = container.labels.get(ROLE_LABEL)
            if role in ("web", "assets") and container.status != "running":
                with engine_errors(str(container.name)):
                    container.start()

    def stop(self, site: Site, number: int, roles: Sequence[str], seconds: float) -> None:
        found = [
            one
            for one in self.containers(release=str(number))
            if one.labels.get(ROLE_LABEL) in roles
        ]
        for name in stop_containers(found, seconds, self.engine.name):
            site.watcher.detail(f"{name} did not end within {seconds:.0f} s and was killed")

    def _start(self, site: Site, release: Release, *names: str) -> None:
        """Start containers of a release.

        Those that are there already stay as they are: other settings in the environment's file,
        or another version of Kiln, are for the next release and no reason to stop what serves.
        """
        site.lease.check()
        run_compose(
            self.engine,
            self.stack.release_project(release.number),
            self._compose_text(release),
            *("up", "--detach", "--no-deps", "--no-recreate", *names),
        )

    def _webs(self, number: int) -> list[Container]:
        return self.containers(release=str(number), role="web")

    def _find(self, name: str) -> Container | None:
        with engine_errors(name):
            try:
                return self.engine.client.containers.get(name)
            except docker.errors.NotFound:
                return None

    # -- clearing up --------------------------------------------------------------------------

    def look_around(self, keeper: Keeper) -> Found:
        return look_around(self.engine, keeper)

    def remove_garbage(
        self,
        keeper: Keeper,
        token: int,
        garbage: Garbage,
        seconds: float,
        tell: Callable[[str], None],
    ) -> None:
        remove_garbage(self.engine, keeper, token, garbage, seconds, tell)

    # -- secrets ------------------------------------------------------------------------------

    def refuse_rotation(self, names: Collection[str]) -> None:
        """All are files, read as soon as they are there."""

    def take_secrets(self, site: Site, release: Release) -> None:
        """The folder is mounted: its files are read as soon as they are there."""

    def accept_password(self, site: Site, name: str, value: VersionedValue) -> None:
        accept_password(site, name, value)

    def settle_password(self, site: Site, name: str, value: VersionedValue) -> None:
        settle_password(site, name)


def _wait_exit(site: Site, container: Container, seconds: float) -> int | None:
    until = time.monotonic() + seconds
    said = 0.0
    while time.monotonic() < until:
        with engine_errors(str(container.name)):
            container.reload()
        if container.status in ("exited", "dead"):
            return int(container.attrs["State"]["ExitCode"])
        if time.monotonic() - said > 5:
            said = time.monotonic()
            for line in last_lines(container, 1):
                site.watcher.detail(line[:120])
        time.sleep(0.3)
    return None


def _crashes(container: Container) -> int:
    return int(container.attrs.get("RestartCount", 0))


def _refuse_failed(container: Container, crashes: int) -> None:
    state = container.attrs["State"]
    if state["Status"] in ("exited", "dead", "restarting") or _crashes(container) > crashes:
        raise ReleaseError(
            f"ended with {state.get('ExitCode')} instead of serving",
            where=str(container.name),
            details=last_lines(container),
            hint="its last lines say why",
        )
    if _health(container) == "unhealthy":
        checks = state.get("Health", {}).get("Log") or [{}]
        raise ReleaseError(
            "is unhealthy",
            where=str(container.name),
            details=(*last_lines(container), str(checks[-1].get("Output", ""))[:300]),
            hint="its last lines say why",
        )


def _health(container: Container) -> str:
    return str(container.attrs["State"].get("Health", {}).get("Status", ""))
