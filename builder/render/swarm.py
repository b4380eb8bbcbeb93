"""Stack and release -> services of a swarm, as its API takes them. Pure."""

import copy
import hashlib
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal

from builder.plan.proxy import assets_alias, slot_alias
from builder.plan.release import Release
from builder.plan.stack import Stack
from builder.project.deployment import SharedVolume, Swarm, SwarmRole
from builder.render.production import consumer_service

Spec = dict[str, Any]
Role = Literal["web", "cron", "consumer", "assets", "job"]

STACK_LABEL = "io.kiln.stack"
RELEASE_LABEL = "io.kiln.release"
ROLE_LABEL = "io.kiln.role"
PLACE_LABEL = "io.kiln.place"
SPEC_LABEL = "io.kiln.spec"
# What the proxies have in /proxy, as `pack_files` gives it: tasks that begin read it from there.
PROXY_LABEL = "io.kiln.proxy"
MEDIA = "/app/pub/media"
# Swarm's own bound for names of services, which are names in its DNS as well.
_LONGEST_NAME = 63
_SECOND = 1_000_000_000
_UNITS = {"k": 1024, "m": 1024**2, "g": 1024**3}
_WWW_DATA = "33"
_START_SECONDS, _INTERVAL_SECONDS, _RETRIES = 60, 10, 3
# For so long after a task was replaced Swarm watches the new one: longer than it takes until one
# that is no good is unhealthy.
MONITOR_SECONDS = _START_SECONDS + _INTERVAL_SECONDS * _RETRIES + 5
_ASSETS_REPLICAS = 2
_BEGIN_PROXY = (
    'printf %s "$KILN_PROXY" | base64 -d | tar -xz -C /proxy && unset KILN_PROXY && '
    "exec haproxy -W -S /run/haproxy/master.sock,mode,600 -f /proxy/haproxy.cfg"
)


@dataclass(frozen=True, slots=True)
class Stored:
    """A config or secret of the swarm, by name and ID."""

    name: str
    id: str


@dataclass(frozen=True, slots=True)
class ReleaseObjects:
    """What the containers of a release read.

    Attributes:
        env_php: the config with its env.php.
        secrets: by the file's name below /run/secrets.
        writable: where the shop writes, from the image's label `io.kiln.writable`.
        network: the stack's.
    """

    env_php: Stored
    secrets: Mapping[str, Stored]
    writable: Sequence[str]
    network: str


def service_name(stack: str, rest: str) -> str:
    """The name of a service; one that is too long is cut, and told apart by a hash."""
    name = f"{stack}-{rest}"
    if len(name) <= _LONGEST_NAME:
        return name
    digest = hashlib.sha256(stack.encode()).hexdigest()[:8]
    return f"{stack[: _LONGEST_NAME - len(rest) - 10].rstrip('-')}-{digest}-{rest}"


def stale_label(stack: str) -> str:
    """The label of a node whose proxy may not know which release serves."""
    return f"io.kiln.stale.{stack}"


def data_label(stack: str) -> str:
    """The label of the node with the volumes of the services that Kiln runs."""
    return f"io.kiln.data.{stack}"


def render_web(stack: Stack, release: Release, objects: ReleaseObjects) -> Spec:
    """The web containers of a release."""
    variables = {**release.variables, "KILN_FPM_MAX_CHILDREN": str(stack.deploy.web.max_children)}
    container = _shop_container(stack, release, "web", ["web"], variables, objects)
    container["StopGracePeriod"] = stack.deploy.timeouts.stop * _SECOND
    container["Healthcheck"] = {
        "Test": ["CMD", "kiln-health"],
        "Interval": _INTERVAL_SECONDS * _SECOND,
        "Timeout": 5 * _SECOND,
        "Retries": _RETRIES,
        "StartPeriod": _START_SECONDS * _SECOND,
        "StartInterval": _SECOND,
    }
    role = _swarm(stack).roles.web
    memory = role.memory or stack.deploy.web.memory
    return _service(
        stack,
        service_name(stack.name, f"r{release.number}-web"),
        _labels(stack, release, "web"),
        _task(container, objects.network, [slot_alias(release.slot)], role, memory=memory),
        replicas=release.replicas,
        order="start-first",
    )


def render_workers(stack: Stack, release: Release, objects: ReleaseObjects) -> list[Spec]:
    """Cron and consumers of a release: never two crons, so the old one stops first."""
    found = []
    swarm, grace = _swarm(stack), stack.deploy.timeouts.work * _SECOND
    if release.cron:
        container = _shop_container(stack, release, "cron", ["cron"], release.variables, objects)
        container["StopGracePeriod"] = grace
        found.append(
            _service(
                stack,
                service_name(stack.name, f"r{release.number}-cron"),
                _labels(stack, release, "cron"),
                _task(container, objects.network, [], swarm.roles.cron),
                replicas=1,
                order="stop-first",
            )
        )
    for name in release.consumers:
        container = _shop_container(
            stack, release, "consumer", ["consumer", name], release.variables, objects
        )
        container["StopGracePeriod"] = grace
        found.append(
            _service(
                stack,
                service_name(stack.name, f"r{release.number}-{consumer_service(name)}"),
                _labels(stack, release, "consumer"),
                _task(container, objects.network, [], swarm.roles.consumer),
                replicas=swarm.consumer_replicas,
                order="stop-first",
            )
        )
    return found


def render_assets(stack: Stack, release: Release, objects: ReleaseObjects, place: int) -> Spec:
    """Static files of an old release: neither settings nor secrets, nor the shop's media."""
    container = _container(stack, release, "assets", ["assets"], {}, objects.writable)
    container["StopGracePeriod"] = stack.deploy.timeouts.stop * _SECOND
    return _service(
        stack,
        service_name(stack.name, f"r{release.number}-assets"),
        {**_labels(stack, release, "assets"), PLACE_LABEL: str(place)},
        _task(container, objects.network, [assets_alias(place)], _swarm(stack).roles.web),
        replicas=_ASSETS_REPLICAS,
        order="start-first",
    )


def render_job(
    stack: Stack, release: Release, objects: ReleaseObjects, role: str, folder: str
) -> Spec:
    """A role of the image that runs once to its end, on whichever node."""
    container = _shop_container(stack, release, "job", [role], release.variables, objects)
    container["Healthcheck"] = {"Test": ["NONE"]}
    task = _task(container, objects.network, [], SwarmRole())
    task["RestartPolicy"] = {"Condition": "none"}
    return {
        "Name": service_name(stack.name, f"{folder}-job-{role}"),
        "Labels": _labels(stack, release, "job"),
        "TaskTemplate": task,
        "Mode": {"ReplicatedJob": {"MaxConcurrent": 1, "TotalCompletions": 1}},
        "EndpointSpec": {"Mode": "dnsrr"},
    }


def render_proxy(stack: Stack, image: str, network: str, files: Mapping[str, str]) -> Spec:
    """The proxy of each node, on that node's own ports.

    Args:
        stack: the stack.
        image: by digest.
        network: the stack's.
        files: labels with what it reads, `PROXY_LABEL`.
    """
    published = stack.deploy.listen.rpartition(":")[2]
    container = {
        "Image": image,
        "Labels": {STACK_LABEL: stack.name, ROLE_LABEL: "proxy"},
        "Command": ["sh", "-c", _BEGIN_PROXY],
        "Env": [f'KILN_PROXY={{{{index .Service.Labels "{PROXY_LABEL}"}}}}'],
        "ReadOnly": True,
        "CapabilityDrop": ["ALL"],
        "Privileges": {"NoNewPrivileges": True},
        "Mounts": [_tmpfs("/run/haproxy"), _tmpfs("/proxy")],
        "StopGracePeriod": (stack.deploy.timeouts.drain + 10) * _SECOND,
    }
    role = _swarm(stack).roles.proxy
    task = _task(container, network, [], role)
    task["Placement"]["Constraints"].append(f"node.labels.{stale_label(stack.name)}!=yes")
    spec = {
        "Name": service_name(stack.name, "proxy"),
        "Labels": {STACK_LABEL: stack.name, ROLE_LABEL: "proxy"},
        "TaskTemplate": task,
        "Mode": {"Global": {}},
        # The port is taken until the old one has gone.
        "UpdateConfig": _update("stop-first"),
        "EndpointSpec": {
            "Mode": "dnsrr",
            "Ports": [
                {
                    "Protocol": "tcp",
                    "TargetPort": 8080,
                    "PublishedPort": int(published),
                    "PublishMode": "host",
                }
            ],
        },
    }
    labelled = _with_hash(spec)
    labelled["Labels"] |= files
    return labelled


def render_own_service(
    stack: Stack,
    service: str,
    image: str,
    network: str,
    secrets: Mapping[str, Stored],
    database_version: str | None,
) -> Spec:
    """A database, cache or queue beside the shop: one, where its volume is.

    Args:
        stack: the stack.
        service: `database`, `cache` or `queue`.
        image: by digest.
        network: the stack's.
        secrets: that it reads, by file name.
        database_version: what the database is to say it is; None for what it is.
    """
    container: Spec = {
        "Image": image,
        "Labels": {STACK_LABEL: stack.name, ROLE_LABEL: service},
        "Privileges": {"NoNewPrivileges": True},
        "Secrets": [_secret(name, one, "0") for name, one in sorted(secrets.items())],
        **_own_container(stack, service, database_version),
    }
    task = _task(container, network, [service], SwarmRole())
    task["Placement"]["Constraints"].append(f"node.labels.{data_label(stack.name)}==yes")
    return _service(
        stack,
        service_name(stack.name, service),
        {STACK_LABEL: stack.name, ROLE_LABEL: service},
        task,
        replicas=1,
        order="stop-first",
    )


def _own_container(stack: Stack, service: str, database_version: str | None) -> Spec:
    def volume(target: str) -> list[Spec]:
        return [{"Type": "volume", "Source": f"{stack.name}-{service}", "Target": target}]

    def health(*test: str) -> Spec:
        return {
            "Test": list(test),
            "Interval": 10 * _SECOND,
            "Timeout": 10 * _SECOND,
            "Retries": 6,
            "StartPeriod": 120 * _SECOND,
            "StartInterval": _SECOND,
        }

    if service == "database":
        assert stack.database is not None
        name, user, password = stack.database
        version = [f"--version={database_version}"] if database_version else []
        return {
            "Args": [
                *version,
                "--explicit_defaults_for_timestamp=1",
                "--log-bin-trust-function-creators=1",
            ],
            "Env": [
                f"MARIADB_DATABASE={name}",
                f"MARIADB_USER={user}",
                f"MARIADB_PASSWORD_FILE=/run/secrets/{password}",
                "MARIADB_RANDOM_ROOT_PASSWORD=1",
                f"KILN_DATABASE_GRANT=`{name}`.*",
                # A service's secrets stay as they were; the password does not.
                "KILN_DATABASE_PASSWORD=once",
            ],
            "Mounts": volume("/var/lib/mysql"),
            "StopGracePeriod": 120 * _SECOND,
            "Healthcheck": health(
                "CMD", "mariadb-admin", "--host=127.0.0.1", "--protocol=tcp", "ping"
            ),
        }
    if service == "cache":
        return {
            "Args": [
                *("redis-server", "--bind", "*", "--protected-mode", "no"),
                *("--save", "60", "1", "--appendonly", "yes", "--dir", "/data"),
            ],
            "Mounts": volume("/data"),
            "Healthcheck": health("CMD-SHELL", "redis-cli ping || valkey-cli ping"),
        }
    assert stack.queue is not None
    return {
        "Hostname": "queue",
        "Env": [
            f"KILN_QUEUE_USER={stack.queue[0]}",
            f"KILN_QUEUE_PASSWORD_FILE=/run/secrets/{stack.queue[1]}",
        ],
        "Mounts": volume("/var/lib/rabbitmq"),
        "StopGracePeriod": 60 * _SECOND,
        "Healthcheck": health("CMD", "bash", "-c", "exec 3<>/dev/tcp/127.0.0.1/5672"),
    }


def render_network(stack: Stack) -> Spec:
    """The stack's network over all nodes."""
    return {
        "Name": stack.name,
        "Driver": "overlay",
        "Attachable": True,
        "Labels": {STACK_LABEL: stack.name},
        "IPAM": {"Config": [{"Subnet": str(stack.subnet)}]},
    }


def give_secrets(spec: Spec, secrets: Mapping[str, Stored]) -> bool:
    """Let a service read other versions of the secrets that it reads, in place.

    Returns:
        Whether it reads others than before.
    """
    container = spec["TaskTemplate"]["ContainerSpec"]
    found = [
        _secret(name, secrets.get(name, Stored(one["SecretName"], one["SecretID"])))
        for one in container.get("Secrets") or ()
        for name in [one["File"]["Name"]]
    ]
    changed = [one["SecretID"] for one in found] != [
        one["SecretID"] for one in container.get("Secrets") or ()
    ]
    container["Secrets"] = found
    return changed


def text_of(specs: Sequence[Spec]) -> str:
    """Services as text, to be compared."""
    return json.dumps(list(specs), indent=2, sort_keys=True)


def _shop_container(
    stack: Stack,
    release: Release,
    role: Role,
    arguments: Sequence[str],
    variables: Mapping[str, str],
    objects: ReleaseObjects,
) -> Spec:
    volume = stack.deploy.media_volume
    writable = [path for path in objects.writable if volume is None or path != MEDIA]
    container = _container(stack, release, role, arguments, variables, writable)
    if volume is not None:
        container["Mounts"].append(_media(stack, volume))
    container["Configs"] = [
        {
            "ConfigID": objects.env_php.id,
            "ConfigName": objects.env_php.name,
            "File": {"Name": "/app/app/etc/env.php", "UID": "0", "GID": "0", "Mode": 0o444},
        }
    ]
    container["Secrets"] = [_secret(name, one) for name, one in sorted(objects.secrets.items())]
    return container


def _container(
    stack: Stack,
    release: Release,
    role: Role,
    arguments: Sequence[str],
    variables: Mapping[str, str],
    writable: Sequence[str],
) -> Spec:
    return {
        "Image": release.image,
        "Labels": _labels(stack, release, role),
        "Args": list(arguments),
        "Env": [f"{name}={_literal(value)}" for name, value in sorted(variables.items())],
        "ReadOnly": True,
        "CapabilityDrop": ["ALL"],
        "Privileges": {"NoNewPrivileges": True},
        "Mounts": [_tmpfs(path) for path in writable],
    }


def _literal(value: str) -> str:
    """A value in which Swarm would see a template of Go's."""
    return value.replace("{{", '{{"{{"}}')


def _media(stack: Stack, volume: SharedVolume) -> Spec:
    driver = {"Name": volume.driver, "Options": dict(volume.options)}
    return {
        "Type": "volume",
        "Source": f"{stack.name}-media",
        "Target": MEDIA,
        "VolumeOptions": {"DriverConfig": driver, "Labels": {STACK_LABEL: stack.name}},
    }


def _tmpfs(path: str) -> Spec:
    return {"Type": "tmpfs", "Target": path, "TmpfsOptions": {"Mode": 0o1777}}


def _secret(name: str, stored: Stored, owner: str = _WWW_DATA) -> Spec:
    return {
        "SecretID": stored.id,
        "SecretName": stored.name,
        "File": {"Name": name, "UID": owner, "GID": owner, "Mode": 0o400},
    }


def _labels(stack: Stack, release: Release, role: Role) -> dict[str, str]:
    return {STACK_LABEL: stack.name, RELEASE_LABEL: str(release.number), ROLE_LABEL: role}


def _task(
    container: Spec,
    network: str,
    aliases: Sequence[str],
    role: SwarmRole,
    *,
    memory: str | None = None,
) -> Spec:
    bound = role.memory or memory
    limits: Spec = {}
    if role.cpus:
        limits["NanoCPUs"] = int(role.cpus * 1e9)
    if bound:
        limits["MemoryBytes"] = int(bound[:-1]) * _UNITS[bound[-1]]
    return {
        "ContainerSpec": container,
        "Resources": {"Limits": limits},
        "RestartPolicy": {"Condition": "any", "Delay": _SECOND},
        "Placement": {
            "Constraints": list(role.constraints),
            "Preferences": [{"Spread": {"SpreadDescriptor": "node.id"}}],
        },
        "Networks": [{"Target": network, "Aliases": list(aliases)}],
        "LogDriver": {"Name": "json-file", "Options": {"max-size": "20m", "max-file": "5"}},
    }


def _service(
    stack: Stack,
    name: str,
    labels: Mapping[str, str],
    task: Spec,
    *,
    replicas: int,
    order: Literal["start-first", "stop-first"],
) -> Spec:
    return _with_hash(
        {
            "Name": name,
            "Labels": dict(labels),
            "TaskTemplate": task,
            "Mode": {"Replicated": {"Replicas": replicas}},
            "UpdateConfig": _update(order),
            "RollbackConfig": {"Parallelism": 1, "Order": order, "FailureAction": "pause"},
            # A kernel without IP_VS has no virtual addresses.
            "EndpointSpec": {"Mode": "dnsrr"},
        }
    )


def _update(order: str) -> Spec:
    return {
        "Parallelism": 1,
        "Order": order,
        "Monitor": MONITOR_SECONDS * _SECOND,
        "FailureAction": "rollback",
    }


def _with_hash(spec: Spec) -> Spec:
    """With a label that tells whether another spec was meant."""
    meant = copy.deepcopy(spec)
    for one in meant["TaskTemplate"]["ContainerSpec"].get("Secrets", ()):
        # Another version is no other service.
        one["SecretID"] = one["SecretName"] = ""
    digest = hashlib.sha256(text_of([meant]).encode()).hexdigest()[:16]
    return {**spec, "Labels": {**spec["Labels"], SPEC_LABEL: digest}}


def _swarm(stack: Stack) -> Swarm:
    assert stack.deploy.swarm is not None
    return stack.deploy.swarm
