"""The proxies of a swarm, and the services that Kiln runs beside the shop."""

import json
from collections.abc import Callable, Collection
from dataclasses import replace
from typing import Any

from builder.deploy.delivery import SERVICE_SECRETS, deliver_service_secrets
from builder.deploy.keeper import STATE, HostFile
from builder.deploy.services import proxy_plan
from builder.deploy.site import Site
from builder.deploy.state import SERVICES, parse_services
from builder.deploy.swarm.fleet import Fleet
from builder.deploy.swarm.keeper import SwarmKeeper
from builder.deploy.swarm.proxies import Proxies, pack_files, unpack_files
from builder.deploy.swarm.tasks import Tasks
from builder.plan.proxy import ProxyPlan
from builder.render.proxy import CONFIG, first_maps, render_proxy_files
from builder.render.swarm import (
    PROXY_LABEL,
    ROLE_LABEL,
    SPEC_LABEL,
    Spec,
    data_label,
    render_network,
    render_own_service,
    render_proxy,
    service_name,
)

_SECONDS = 300.0
# A rolling update has one task more than there are replicas.
_MORE_SERVERS = 2


def network_id(tasks: Tasks) -> str:
    """The stack's network over all nodes; made, if there is none."""
    managers, stack = tasks.fleet.managers, tasks.fleet.stack
    for one in managers.get("networks", name=[stack.name]):
        if one["Name"] == stack.name and one["Driver"] == "overlay":
            return str(one["Id"])
    return managers.create("networks", render_network(stack))


def proxy_files(site: Site) -> dict[str, bytes]:
    """What the proxies read but for the maps."""
    return render_proxy_files(_plan(site))


def _plan(site: Site) -> ProxyPlan:
    return replace(proxy_plan(site.stack, site.replicas + _MORE_SERVERS, None), resolved=True)


def proxy_differs(site: Site) -> bool:
    """Whether the proxies are to have another configuration than they have."""
    files, proxies = proxy_files(site), site.proxy
    assert isinstance(proxies, Proxies)
    kept = proxies.kept()
    there = {name: kept.get(name) for name in files}
    return there != files or not proxies.runs(files[CONFIG].decode())


def services_down(tasks: Tasks, site: Site) -> tuple[str, ...]:
    """Those of which no task runs; of the proxy, where it lacks on a node that is up."""
    found = []
    for name in site.images:
        service = service_name(site.stack.name, name)
        if len(tasks.running(service)) < max(1, len(tasks.wanted(service))):
            found.append(name)
    return tuple(found)


def services_differ(tasks: Tasks, site: Site) -> tuple[str, ...]:
    """Those that run, and are to be others than they are."""
    there = {one["Spec"]["Labels"].get(ROLE_LABEL): one["Spec"] for one in tasks.services()}
    return tuple(
        name
        for name in site.images
        if name in there
        and there[name]["Labels"].get(SPEC_LABEL) != _spec(tasks, site, name)["Labels"][SPEC_LABEL]
    )


def start_services(tasks: Tasks, site: Site, restart: Collection[str]) -> None:
    """Start what does not run; change those that are to be restarted."""
    network_id(tasks)
    down = services_down(tasks, site)
    deliver_service_secrets(site)
    if site.stack.services:
        _choose_data_node(tasks.fleet)
    managers = tasks.fleet.managers
    for name in site.images:
        spec = _spec(tasks, site, name)
        image = site.images[name]
        if name in down:
            site.lease.check()
            if name == "proxy":
                # On every node before it is asked to run there: nobody waits for a registry.
                site.driver.pull(image, site.watcher.detail)
            managers.create("services", spec, tasks.auth(spec))
        elif name in restart:
            site.lease.check()
            managers.update("services", spec["Name"], _replace(site, spec), tasks.auth(spec))
            tasks.wait_updated(spec["Name"], _SECONDS)
    for name in site.images:
        service = service_name(site.stack.name, name)
        known = tasks.failed(service)
        # Of a global service Swarm makes the tasks a moment later.
        tasks.wait_running(service, 1, _SECONDS, stable=0, known=known)
        count = len(tasks.wanted(service))
        tasks.wait_running(service, count, _SECONDS, stable=0, known=known)
    if proxy_differs(site):
        # One of several was started, with the configuration that the others have.
        site.driver.configure_proxy(site)
    started = {*down, *restart}
    recorded = parse_services(site.stack.name, site.keeper.read(SERVICES))
    recorded |= {name: site.images[name] for name in site.images if name in started}
    file = HostFile(json.dumps(recorded, indent=2).encode())
    site.keeper.install(site.lease.token, STATE, {"services.json": file})


def _replace(site: Site, spec: Spec) -> Callable[[Spec], bool]:
    def change(found: Spec) -> bool:
        labels = dict(spec["Labels"])
        if PROXY_LABEL in found["Labels"]:
            # Its maps are the truth; its configuration is to be another.
            kept = unpack_files(found["Labels"][PROXY_LABEL])
            labels[PROXY_LABEL] = pack_files({**kept, **proxy_files(site)})
        found.clear()
        found.update({**spec, "Labels": labels})
        return True

    return change


def _spec(tasks: Tasks, site: Site, name: str) -> Spec:
    stack, image, network = site.stack, site.images[name], network_id(tasks)
    if name == "proxy":
        files = pack_files({**proxy_files(site), **first_maps()})
        return render_proxy(stack, image, network, {PROXY_LABEL: files})
    assert isinstance(site.keeper, SwarmKeeper)
    read = {
        "database": stack.database[2] if stack.database else None,
        "queue": stack.queue[1] if stack.queue else None,
    }.get(name)
    there = site.keeper.secrets(SERVICE_SECRETS)
    secrets = {key: one for key, one in there.items() if key == read}
    return render_own_service(stack, name, image, network, secrets, site.database_version)


def _choose_data_node(fleet: Fleet) -> None:
    """Services that keep data stay on one node: their volumes are there."""
    label = data_label(fleet.stack.name)
    nodes = fleet.managers.get("nodes")
    if any((one["Spec"].get("Labels") or {}).get(label) == "yes" for one in nodes):
        return

    def mark(spec: dict[str, Any]) -> bool:
        spec.setdefault("Labels", {})[label] = "yes"
        return True

    fleet.managers.update("nodes", fleet.up[0].id, mark)
