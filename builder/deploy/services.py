"""The proxy and the services that Kiln runs: started, and changed only when told to."""

import json
import time
from collections.abc import Collection, Mapping, Sequence

from docker.models.containers import Container

from builder.deploy.delivery import SERVICE_SECRETS, deliver_service_secrets
from builder.deploy.engine import (
    RELEASE_LABEL,
    ROLE_LABEL,
    STACK_LABEL,
    Engine,
    engine_errors,
    last_lines,
    run_compose,
    run_in,
    stack_containers,
)
from builder.deploy.keeper import SECRETS, STATE, HostFile, HostKeeper
from builder.deploy.proxy_reader import Exec
from builder.deploy.site import Site
from builder.deploy.state import SERVICES, parse_services
from builder.errors import EngineError, RefusedError
from builder.plan.proxy import MOST_ASSETS, PROXY_UID, Listener, ProxyPlan, Timeouts
from builder.plan.stack import Stack
from builder.process import Completed
from builder.render.production import render_services
from builder.render.proxy import CONFIG, first_maps, render_proxy_files

PROXY_FOLDER = f"{STATE}/proxy"
# Beside those of releases, which are numbers.
_PROXY_SECRETS = "proxy"
_HASH_LABEL = "com.docker.compose.config-hash"
_MEMORY_KINDS = ("tmpfs", "ramfs")
_SECONDS = 300.0
# A service may wait for another by ending, once or twice.
_CRASHES = 3


def start_keeper(
    engine: Engine, stack: Stack, images: Mapping[str, str], database_version: str | None
) -> HostKeeper:
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


def find_keeper(engine: Engine, stack: str) -> HostKeeper | None:
    """The keeper of a stack, if it runs."""
    found = stack_containers(engine, stack, role="keeper")
    running = [one for one in found if one.status == "running"]
    return HostKeeper(stack, running[0]) if running else None


def service_container(engine: Engine, stack: str, service: str) -> Container:
    """The container of the proxy, or of a service that Kiln runs.

    Raises:
        EngineError: it is not there.
    """
    found = stack_containers(engine, stack, role=service)
    if not found:
        raise EngineError(f"there is no {service}", where=stack, hint="`kiln resume` starts it")
    return found[0]


def run_in_proxy(engine: Engine, stack: str) -> Exec:
    """Runs programs in the proxy's container, whichever that is by then."""

    def execute(argv: Sequence[str]) -> Completed:
        return run_in(service_container(engine, stack, "proxy"), *argv)

    return execute


def start_services(site: Site, restart: Collection[str] = ()) -> None:
    """Start what does not run of the proxy and services. What runs stays as it is.

    The keeper is none of them: with another one the lease would be out of reach.

    Args:
        site: the stack on its host.
        restart: those that run and are changed to what they are to be, which stops them.

    Raises:
        EngineError: one does not come up.
    """
    differ = services_differ(site) if restart else ()
    names = [*services_down(site), *(one for one in differ if one in restart)]
    if "proxy" in names:
        _put_proxy_files(site)
    deliver_service_secrets(site)
    _create_media(site.engine, site.stack)
    text = services_text(site.stack, site.images, site.database_version)
    if names:
        site.lease.check()
        run_compose(site.engine, site.stack.name, text, "up", "--detach", "--no-deps", *names)
    _wait_healthy(site)
    recorded = parse_services(site.stack.name, site.keeper.read(SERVICES))
    recorded |= {name: site.images[name] for name in names}
    file = HostFile(json.dumps(recorded, indent=2).encode())
    site.keeper.install(site.lease.token, STATE, {"services.json": file})


def configure_proxy(site: Site) -> None:
    """Give the running proxy the configuration that it is to have.

    Raises:
        ProxyError: HAProxy refuses it; the old one stays.
    """
    certificate = _certificate(site) if serves_https(site) else None
    site.proxy.configure(_proxy_files(site, certificate))
    _forget_certificates(site, certificate)


def services_differ(site: Site) -> tuple[str, ...]:
    """The proxy and services that run, and are to be others than they are."""
    text = services_text(site.stack, site.images, site.database_version)
    printed = run_compose(site.engine, site.stack.name, text, "config", "--hash", "*").stdout
    wanted = dict(line.split() for line in printed.splitlines() if line.strip())
    running = _running(site)
    return tuple(
        name
        for name in site.images
        if name in running and running[name].labels.get(_HASH_LABEL) != wanted[name]
    )


def services_down(site: Site) -> tuple[str, ...]:
    """The proxy and services that do not run."""
    running = _running(site)
    return tuple(name for name in site.images if name not in running)


def services_run(site: Site) -> bool:
    """Whether the proxy and every service run."""
    return not services_down(site)


def _running(site: Site) -> dict[str, Container]:
    return {
        one.labels.get(ROLE_LABEL, ""): one
        for one in stack_containers(site.engine, site.stack.name)
        if one.status == "running" and RELEASE_LABEL not in one.labels
    }


def proxy_differs(site: Site) -> bool:
    """Whether the proxy is to have another configuration than its files or its worker have."""
    certificate = _certificate_file(site) if serves_https(site) else None
    files = _proxy_files(site, certificate)
    there = {name: site.keeper.read(f"{PROXY_FOLDER}/{name}") for name in files}
    return there != files or not site.proxy.runs(files[CONFIG].decode())


def refuse_moved(engine: Engine, stack: Stack, keeper: HostKeeper) -> None:
    """See that a system is still where it was set up.

    Raises:
        RefusedError: its file says another place: nothing would be found there.
    """
    with engine_errors(engine.name):
        networks = engine.client.networks.list(names=[stack.name])
    subnets = [
        str(one["Subnet"])
        for network in networks
        if network.name == stack.name
        for one in (network.attrs.get("IPAM", {}).get("Config") or ())
    ]
    mounts = {one["Destination"]: one["Source"] for one in keeper.container.attrs["Mounts"]}
    moved = find_moved(stack, mounts, subnets)
    if moved:
        raise RefusedError(
            "the system was set up elsewhere than its file says now",
            where=f"deploy of {stack.environment}",
            details=moved,
            hint="put the old values back; a system that runs cannot be moved",
        )


def find_moved(stack: Stack, mounts: Mapping[str, str], subnets: Sequence[str]) -> tuple[str, ...]:
    """What a stack's file says otherwise than its host, a sentence each. Pure.

    Args:
        stack: as its file says.
        mounts: of the keeper, by where it sees them.
        subnets: of the stack's network; none where there is no network yet.
    """
    wanted = {
        "deploy.state": (mounts.get(STATE), f"{stack.deploy.state}/{stack.name}"),
        "deploy.secrets": (mounts.get(SECRETS), f"{stack.deploy.secrets}/{stack.name}"),
        "deploy.subnet": (subnets[0] if subnets else None, str(stack.subnet)),
    }
    return tuple(
        f"{key}: it is at {there}, and would be at {here}"
        for key, (there, here) in wanted.items()
        if there is not None and there != here
    )


def services_text(stack: Stack, images: Mapping[str, str], database_version: str | None) -> str:
    """The compose file of the services."""
    folder = f"{stack.deploy.secrets}/{stack.name}/{SERVICE_SECRETS}"
    return render_services(stack, images, folder, database_version)


def proxy_plan(stack: Stack, replicas: int, certificate: str | None) -> ProxyPlan:
    """What the proxy of a stack is to do. Pure.

    Args:
        stack: the stack.
        replicas: servers a slot.
        certificate: the file below /run/secrets; None without HTTPS.
    """
    deploy = stack.deploy
    secure = (Listener(8443, certificate),) if certificate else ()
    return ProxyPlan(
        name=stack.name,
        subnet=stack.subnet,
        replicas=replicas,
        assets=MOST_ASSETS,
        listeners=(Listener(8080), *secure),
        allowed=stack.allowed,
        trusted=stack.trusted,
        retry_after=deploy.maintenance.retry_after,
        timeouts=Timeouts(deploy.timeouts.request, 10, deploy.timeouts.drain),
        max_connections=8000,
        page=stack.page,
    )


def _proxy_files(site: Site, certificate: str | None) -> dict[str, bytes]:
    return render_proxy_files(proxy_plan(site.stack, site.replicas, certificate))


def serves_https(site: Site) -> bool:
    """Whether the running proxy has a port for it, which only another container could change."""
    if site.stack.certificate is None:
        return False
    proxy = service_container(site.engine, site.stack.name, "proxy")
    return "8443/tcp" in (proxy.attrs["HostConfig"].get("PortBindings") or {})


def _certificate_file(site: Site) -> str | None:
    """Each version has a file: a new one is tried out beside the one that serves."""
    name = site.stack.certificate
    return f"{name}-{site.wanted_secrets()[name].version}" if name else None


def _certificate(site: Site) -> str | None:
    """Write the certificate and its key for the proxy alone; the file's name."""
    name, file = site.stack.certificate, _certificate_file(site)
    if name is None or file is None:
        return None
    content = site.wanted_secrets()[name].value.reveal()
    site.keeper.install(
        site.lease.token,
        f"{SECRETS}/{_PROXY_SECRETS}",
        {file: HostFile(content, 0o400, PROXY_UID, PROXY_UID)},
        HostFile(b"", 0o500, PROXY_UID, PROXY_UID),
    )
    return file


def _forget_certificates(site: Site, used: str | None) -> None:
    folder = f"{SECRETS}/{_PROXY_SECRETS}"
    old = [f"{folder}/{name}" for name in site.keeper.list(folder) if name != used]
    if old:
        site.keeper.remove(site.lease.token, *old)


def _create_media(engine: Engine, stack: Stack) -> None:
    """The volume that all releases share; the shop's first container fills it, as its owner."""
    volume = stack.deploy.media_volume
    if volume is None:
        return
    with engine_errors(engine.name):
        engine.client.volumes.create(
            f"{stack.name}-media",
            driver=volume.driver,
            driver_opts=dict(volume.options),
            labels={STACK_LABEL: stack.name},
        )


def _put_proxy_files(site: Site) -> None:
    """Files that a proxy needs to start; maps that are there already are the truth."""
    files = _proxy_files(site, _certificate(site))
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
