"""The proxy and the services that Kiln runs: started, and changed only when told to."""

import json
import time
from collections.abc import Mapping, Sequence

from docker.models.containers import Container

from builder.deploy.engine import (
    ROLE_LABEL,
    STACK_LABEL,
    Engine,
    engine_errors,
    last_lines,
    run_compose,
    run_in,
    stack_containers,
)
from builder.deploy.keeper import SECRETS, STATE, HostFile, Keeper
from builder.deploy.proxy_reader import Exec
from builder.deploy.site import Site
from builder.deploy.state import HostState
from builder.errors import EngineError, RefusedError
from builder.plan.proxy import MOST_ASSETS, Listener, ProxyPlan, Timeouts
from builder.plan.stack import Stack
from builder.process import Completed
from builder.render.production import render_services
from builder.render.proxy import first_maps, render_proxy_files

PROXY_FOLDER = f"{STATE}/proxy"
SERVICES_TEXT = f"{STATE}/services.yaml"
SERVICE_SECRETS = "services"
_WWW_DATA = 33
_MEMORY_KINDS = ("tmpfs", "ramfs")
_SECONDS = 300.0
# A service may wait for another by ending, once or twice.
_CRASHES = 3


def start_keeper(
    engine: Engine, stack: Stack, images: Mapping[str, str], database_version: str | None
) -> Keeper:
    """Have the keeper's container run; the first thing on an empty host.

    Raises:
        EngineError: it cannot be started.
        RefusedError: the folder for secrets is not on tmpfs.
    """
    _create_media(engine, stack)
    text = services_text(stack, images, database_version)
    run_compose(engine, stack.name, text, "up", "--detach", "--no-deps", "keeper")
    keeper = find_keeper(engine, stack.name)
    if keeper is None:
        raise EngineError("the keeper's container does not run", where=stack.name)
    kind = run_in(keeper.container, "stat", "-f", "-c", "%T", SECRETS).stdout.strip()
    if kind not in _MEMORY_KINDS:
        raise RefusedError(
            f"{stack.deploy.secrets} is on {kind}, not on tmpfs: secrets would outlive a reboot",
            where=engine.name,
            hint="set deploy.secrets to a folder on tmpfs, e.g. below /dev/shm",
        )
    return keeper


def find_keeper(engine: Engine, stack: str) -> Keeper | None:
    """The keeper of a stack, if it runs."""
    found = stack_containers(engine, stack, role="keeper")
    running = [one for one in found if one.status == "running"]
    return Keeper(stack, running[0]) if running else None


def proxy_container(engine: Engine, stack: str) -> Container:
    """The proxy's container.

    Raises:
        EngineError: there is none.
    """
    found = stack_containers(engine, stack, role="proxy")
    if not found:
        raise EngineError("there is no proxy", where=stack, hint="`kiln resume` starts it again")
    return found[0]


def run_in_proxy(engine: Engine, stack: str) -> Exec:
    """Runs programs in the proxy's container, whichever that is by then."""

    def execute(argv: Sequence[str]) -> Completed:
        return run_in(proxy_container(engine, stack), *argv)

    return execute


def start_services(site: Site) -> None:
    """Start the proxy and all services, or change them to what they are to be.

    Raises:
        EngineError: one does not come up.
    """
    token = site.lease.token
    _put_proxy_files(site)
    deliver_service_secrets(site)
    _create_media(site.engine, site.stack)
    text = services_text(site.stack, site.images, site.database_version)
    run_compose(site.engine, site.stack.name, text, "up", "--detach")
    _wait_healthy(site)
    site.keeper.install(
        token,
        STATE,
        {
            "services.json": HostFile(json.dumps(dict(site.images), indent=2).encode()),
            "services.yaml": HostFile(text.encode()),
        },
    )


def deliver_service_secrets(site: Site) -> None:
    """Write what the services read to their folder."""
    values = site.wanted_secrets() if site.stack.service_secrets else {}
    files = {
        name: HostFile(values[name].value.reveal(), 0o400, _WWW_DATA, _WWW_DATA)
        for name in site.stack.service_secrets
    }
    folder = HostFile(b"", 0o500, _WWW_DATA, _WWW_DATA)
    site.keeper.install(site.lease.token, f"{SECRETS}/{SERVICE_SECRETS}", files, folder)


def service_container(site: Site, service: str) -> Container:
    """The container of a service that Kiln runs.

    Raises:
        EngineError: it is not there.
    """
    found = stack_containers(site.engine, site.stack.name, role=service)
    if not found:
        raise EngineError(
            f"there is no {service}", where=site.stack.name, hint="`kiln resume` starts it"
        )
    return found[0]


def configure_proxy(site: Site) -> None:
    """Give the running proxy the configuration that it is to have.

    Raises:
        ProxyError: HAProxy refuses it; the old one stays.
    """
    site.proxy.configure(render_proxy_files(proxy_plan(site.stack, site.replicas)))


def services_differ(site: Site, state: HostState) -> bool:
    """Whether a service is not there, or is to be another than the running one."""
    wanted = services_text(site.stack, site.images, site.database_version)
    running = site.keeper.read(SERVICES_TEXT)
    return running is None or running.decode() != wanted or not services_run(site)


def services_run(site: Site) -> bool:
    """Whether the proxy and every service run."""
    running = {
        one.labels.get(ROLE_LABEL)
        for one in stack_containers(site.engine, site.stack.name)
        if one.status == "running"
    }
    return {*site.images} <= running


def proxy_differs(site: Site) -> bool:
    """Whether the proxy is to have another configuration."""
    return any(
        site.keeper.read(f"{PROXY_FOLDER}/{name}") != content
        for name, content in render_proxy_files(proxy_plan(site.stack, site.replicas)).items()
    )


def services_text(stack: Stack, images: Mapping[str, str], database_version: str | None) -> str:
    """The compose file of the services."""
    folder = f"{stack.deploy.secrets}/{stack.name}/{SERVICE_SECRETS}"
    return render_services(stack, images, folder, database_version)


def proxy_plan(stack: Stack, replicas: int) -> ProxyPlan:
    """What the proxy of a stack is to do, with so many servers a slot. Pure."""
    deploy = stack.deploy
    return ProxyPlan(
        name=stack.name,
        subnet=stack.subnet,
        replicas=replicas,
        assets=MOST_ASSETS,
        listeners=(Listener(8080),),
        allowed=stack.allowed,
        trusted=stack.trusted,
        retry_after=deploy.maintenance.retry_after,
        timeouts=Timeouts(deploy.timeouts.request, 10, deploy.timeouts.drain),
        max_connections=8000,
        page=stack.page,
    )


def _create_media(engine: Engine, stack: Stack) -> None:
    """The volume that all releases share; the shop's first container fills it, as its owner."""
    with engine_errors(engine.name):
        engine.client.volumes.create(f"{stack.name}-media", labels={STACK_LABEL: stack.name})


def _put_proxy_files(site: Site) -> None:
    """Files that a proxy needs to start; maps that are there already are the truth."""
    files = {**render_proxy_files(proxy_plan(site.stack, site.replicas))}
    there = site.keeper.list(PROXY_FOLDER)
    files |= {name: content for name, content in first_maps().items() if name not in there}
    readable = {name: HostFile(content, 0o644) for name, content in files.items()}
    site.keeper.install(site.lease.token, PROXY_FOLDER, readable, HostFile(b"", 0o755))


def _wait_healthy(site: Site) -> None:
    until = time.monotonic() + _SECONDS
    while True:
        waited = [one for one in stack_containers(site.engine, site.stack.name) if _is_late(one)]
        if not waited:
            return
        crashed = [one for one in waited if one.attrs.get("RestartCount", 0) > _CRASHES]
        if crashed or time.monotonic() > until:
            late = (crashed or waited)[0]
            raise EngineError(
                "ends again and again" if crashed else f"does not come up in {_SECONDS:.0f} s",
                where=str(late.name),
                details=last_lines(late),
                hint="its last lines say why",
            )
        time.sleep(0.5)


def _is_late(container: Container) -> bool:
    if container.labels.get(ROLE_LABEL) not in ("proxy", "database", "cache", "queue"):
        return False
    state = container.attrs["State"]
    return state["Status"] != "running" or (
        "Health" in state and state["Health"]["Status"] != "healthy"
    )
