"""The model of `deploy` in environments/<name>.yaml: how a system is run."""

import ipaddress
from typing import Annotated, Literal

from pydantic import (
    AfterValidator,
    Field,
    StrictBool,
    StrictInt,
    StrictStr,
    model_validator,
)

from builder.project.frozen import FrozenModel
from builder.project.secret_name import Secret

# The slots of a system's /24 have room for this many: plan/proxy.py.
MAX_REPLICAS = 60
MAX_KEPT = 7


def _network(value: str) -> str:
    try:
        network = ipaddress.IPv4Network(value)
    except ValueError as error:
        raise ValueError(f"must be an IPv4 network such as 10.231.7.0/24: {error}") from None
    if network.prefixlen != 24:
        raise ValueError("must be a /24, such as 10.231.7.0/24")
    return value


def _cidr(value: str) -> str:
    try:
        ipaddress.ip_network(value)
    except ValueError as error:
        raise ValueError(f"must be an address or a network: {error}") from None
    return value


def _absolute(value: str) -> str:
    if not value.startswith("/") or ".." in value.split("/"):
        raise ValueError("must be an absolute path on the host")
    return value.rstrip("/")


Seconds = Annotated[StrictInt, Field(ge=0, le=86400)]
HostPath = Annotated[StrictStr, AfterValidator(_absolute)]
Cidr = Annotated[StrictStr, AfterValidator(_cidr)]
UrlPath = Annotated[StrictStr, Field(pattern=r"^/[^\s]*$")]
ConsumerName = Annotated[StrictStr, Field(pattern=r"^[A-Za-z0-9_][A-Za-z0-9._-]*$")]
Published = Annotated[StrictStr, Field(pattern=r"^(?:\[?[0-9A-Fa-f.:]+\]?:)?[0-9]{1,5}$")]
# Of Kubernetes: a DNS subdomain, RFC 1123.
ObjectName = Annotated[
    StrictStr,
    Field(
        max_length=253, pattern=r"^[a-z0-9]([a-z0-9-]*[a-z0-9])?(\.[a-z0-9]([a-z0-9-]*[a-z0-9])?)*$"
    ),
]
# Anything but a digest would let two starts of a service run two versions of it.
Pinned = Annotated[StrictStr, Field(pattern=r"^\S+@sha256:[0-9a-f]{64}$")]


class Web(FrozenModel):
    """The containers that answer requests."""

    replicas: Annotated[StrictInt, Field(ge=1, le=MAX_REPLICAS)] = 2
    max_children: Annotated[StrictInt, Field(ge=1, le=1024)] = Field(
        16, description="php-fpm's processes in each."
    )
    memory: Annotated[StrictStr, Field(pattern=r"^[0-9]+[kmg]$")] | None = Field(
        None, description="The most that one may use, e.g. 4g."
    )


class Https(FrozenModel):
    """HTTPS and HTTP/2, spoken by the proxy."""

    listen: Published = Field("443", description="[ADDRESS:]PORT of the host.")
    certificate: Secret = Field(
        description="PEM: certificate, chain and key. The proxy alone can read it."
    )


class Timeouts(FrozenModel):
    """Seconds. A request is shorter than a drain, a drain than the time to stop."""

    request: Annotated[StrictInt, Field(ge=1, le=3600)] = Field(
        60, description="The longest that a request may take."
    )
    boot: Annotated[StrictInt, Field(ge=5, le=3600)] = Field(
        180, description="Until all new containers must be healthy."
    )
    stable: Seconds = Field(10, description="For so long they must have been, without a restart.")
    drain: Annotated[StrictInt, Field(ge=1, le=3600)] = Field(
        90, description="Until the last request of the old release must have ended."
    )
    watch: Seconds = Field(
        30, description="For so long after the swap errors are counted, and lead back."
    )
    work: Seconds = Field(
        600, description="For so long cron jobs and consumers of the old release may go on."
    )
    migrate: Annotated[StrictInt, Field(ge=10)] = Field(
        3600, description="The longest that a migration may take."
    )

    @property
    def stop(self) -> int:
        """Until a container that serves must have ended, once it is told to stop."""
        return self.request + 10


class Maintenance(FrozenModel):
    """What visitors get while a migration runs that the old release cannot serve through."""

    page: StrictStr | None = Field(None, description="An HTML file, relative to kiln.yaml.")
    retry_after: Annotated[StrictInt, Field(ge=1)] = Field(120, description="Seconds.")
    allowed: tuple[Cidr, ...] = Field(
        (), description="Addresses and networks whose requests pass nevertheless."
    )


class OwnService(FrozenModel):
    """A service that runs beside the shop."""

    image: Pinned | Literal["auto"] = Field(
        "auto", description="By digest; `auto` makes one from Debian's packages."
    )


class OwnServices(FrozenModel):
    """Services that Kiln runs on the host. One that is not named here is an external address."""

    database: OwnService | None = None
    cache: OwnService | None = None
    queue: OwnService | None = None


class Backup(FrozenModel):
    """What runs before a migration; a failure ends the release."""

    command: Annotated[tuple[StrictStr, ...], Field(min_length=1)] = Field(
        description="Program and arguments, run where kiln runs, in kiln.yaml's folder."
    )


class SharedVolume(FrozenModel):
    """A volume of the engine's."""

    driver: StrictStr = "local"
    options: dict[StrictStr, StrictStr] = Field(
        {}, description="Of the driver, e.g. for NFS with `local`: type, o and device."
    )

    @property
    def is_of_one_host(self) -> bool:
        """Whether each host has files of its own in it."""
        return self.driver == "local" and "device" not in self.options


class VolumeMedia(FrozenModel):
    """Media in a volume that all containers mount."""

    volume: SharedVolume


class ObjectStorageMedia(FrozenModel):
    """Media in `services.object_storage`, by Magento's own remote_storage: nothing is mounted."""

    object_storage: Literal[True]


class ClaimMedia(FrozenModel):
    """Media in a volume of Kubernetes that all pods mount."""

    claim: ObjectName = Field(description="A PersistentVolumeClaim that allows ReadWriteMany.")


class SwarmRole(FrozenModel):
    """Where containers of a role run, and what each may use."""

    constraints: tuple[StrictStr, ...] = Field(
        (), description="Of Swarm, e.g. node.labels.tier==web."
    )
    cpus: Annotated[float, Field(gt=0)] | None = Field(None, description="The most, in cores.")
    memory: Annotated[StrictStr, Field(pattern=r"^[0-9]+[kmg]$")] | None = Field(
        None, description="The most, e.g. 4g."
    )


class SwarmRoles(FrozenModel):
    """Each role's own."""

    web: SwarmRole = SwarmRole()
    cron: SwarmRole = SwarmRole()
    consumer: SwarmRole = SwarmRole()
    proxy: SwarmRole = SwarmRole()


class Swarm(FrozenModel):
    """The nodes of a Docker Swarm that exists."""

    nodes: Annotated[tuple[StrictStr, ...], Field(min_length=1)] = Field(
        description="Their engines: ssh://USER@HOST or docker contexts; managers among them."
    )
    discover: Annotated[StrictStr, Field(pattern=r"\{address\}")] | None = Field(
        None, description="How nodes that are not listed are reached: ssh://USER@{address}."
    )
    down: Literal["go_back", "go_on"] = Field(
        "go_back", description="What a release does when a host is down."
    )
    pulls: Annotated[StrictInt, Field(ge=1, le=64)] = Field(
        4, description="So many hosts pull an image at once."
    )
    consumer_replicas: Annotated[StrictInt, Field(ge=1, le=60)] = Field(
        1, description="Containers of each consumer."
    )
    roles: SwarmRoles = SwarmRoles()


class Deploy(FrozenModel):
    """How and where the system is run."""

    driver: Literal["one_host", "swarm"] = "one_host"
    swarm: Swarm | None = None
    media: VolumeMedia | ObjectStorageMedia | ClaimMedia | None = Field(
        None, description="Where the shop's media are; by default in a volume of the host."
    )
    host: StrictStr | None = Field(
        None,
        description=(
            "ssh://USER@HOST, or the name of a docker context; without one the engine at hand."
        ),
    )
    listen: Published = Field("80", description="[ADDRESS:]PORT of the host for HTTP.")
    https: Https | None = None
    trusted_proxies: tuple[Cidr, ...] = Field(
        (), description="Who may say, as X-Forwarded-For and -Proto, what the client was."
    )
    subnet: Annotated[StrictStr, AfterValidator(_network)] | None = Field(
        None, description="A /24 that is free on the host; by default one made of the name."
    )
    web: Web = Web()
    cron: StrictBool = Field(True, description="Run Magento's cron, in one container.")
    consumers: tuple[ConsumerName, ...] = Field(
        (), description="Queue consumers, each in a container, e.g. async.operations.all."
    )
    services: OwnServices = OwnServices()
    warm: Annotated[tuple[UrlPath, ...], Field(min_length=1)] = Field(
        ("/",), description="Pages that every new container must answer before it gets requests."
    )
    max_error_rate: Annotated[float, Field(ge=0, le=1)] = Field(
        0.02, description="Errors by requests; above it after a swap the old release is put back."
    )
    keep: Annotated[StrictInt, Field(ge=1, le=MAX_KEPT)] = Field(
        3,
        description="Old releases that can be rolled back to, and whose static files are served.",
    )
    timeouts: Timeouts = Timeouts()
    maintenance: Maintenance = Maintenance()
    backup: Backup | None = None
    hooks: StrictStr = Field(
        "hooks",
        description=(
            "A folder with programs named before-STEP, after-STEP, before-release, after-release "
            "and failed-release; `kiln init` writes samples."
        ),
    )
    state: HostPath = Field("/var/lib/kiln", description="The folder on the host for state.")
    secrets: HostPath = Field(
        "/run/kiln", description="The folder on the host for secrets' files; must be on tmpfs."
    )

    @property
    def media_volume(self) -> SharedVolume | None:
        """The volume that containers mount for media; None where they mount none."""
        if self.media is None:
            return SharedVolume()
        return self.media.volume if isinstance(self.media, VolumeMedia) else None

    @model_validator(mode="after")
    def _name_nodes(self) -> "Deploy":
        if (self.driver == "swarm") != (self.swarm is not None):
            raise ValueError("`driver: swarm` and `swarm:` with its nodes go together")
        return self
