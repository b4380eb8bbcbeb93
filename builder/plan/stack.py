"""What a system consists of on its host: names, services, roles. Pure."""

import hashlib
import re
from collections.abc import Mapping
from dataclasses import dataclass
from ipaddress import IPv4Network, IPv6Network, ip_network

from builder.errors import ProjectFileError
from builder.project.deployment import ClaimMedia, Deploy
from builder.project.environments import Environment
from builder.project.loading import Project
from builder.project.references import referenced_secrets

# The port that each of Kiln's own services listens on.
SERVICE_PORTS = {"database": 3306, "cache": 6379, "queue": 5672}
# What of `services` in an environment file is in which container.
_SERVED_BY = {
    "database": "database",
    "cache": "cache",
    "page_cache": "cache",
    "session": "cache",
    "queue": "queue",
}


@dataclass(frozen=True, slots=True)
class Stack:
    """One environment of one shop on one host.

    Attributes:
        name: of the network and the compose project; all containers' names begin with it.
        shop: the shop's name.
        environment: the environment's name.
        deploy: what the environment says.
        subnet: a /24.
        services: images by service, those that Kiln runs: `auto` or by digest.
        database: name, user and secret of the database that Kiln runs; None where external.
        queue: user and secret of the queue that Kiln runs; None where external.
        certificate: the secret with the proxy's certificate and key; None without HTTPS.
        varnish: `host:port` of each Varnish that is to forget its pages.
        base_url: where visitors reach the shop, for warming it up; empty where only the
            database says.
        allowed: who is served in a maintenance window.
        trusted: proxies in front of the proxy.
        page: HTML for a maintenance window.
    """

    name: str
    shop: str
    environment: str
    deploy: Deploy
    subnet: IPv4Network
    services: Mapping[str, str]
    database: tuple[str, str, str] | None
    queue: tuple[str, str] | None
    certificate: str | None
    varnish: tuple[str, ...]
    base_url: str
    allowed: tuple[IPv4Network | IPv6Network, ...]
    trusted: tuple[IPv4Network | IPv6Network, ...]
    page: str

    def release_project(self, number: int) -> str:
        """The compose project of a release, which all its containers' names begin with."""
        return f"{self.name}-r{number}"

    @property
    def service_secrets(self) -> tuple[str, ...]:
        """Secrets that services read, sorted."""
        found = set()
        if self.database:
            found.add(self.database[2])
        if self.queue:
            found.add(self.queue[1])
        return tuple(sorted(found))


def stack_name(shop: str, environment: str) -> str:
    """The name of a stack. Compose allows no dots in a project's name."""
    return re.sub(r"[^a-z0-9-]", "-", f"{shop}-{environment}")


def default_subnet(name: str) -> IPv4Network:
    """The same /24 for the same stack on every run; of 10.192.0.0/10, which few use."""
    digest = hashlib.sha256(name.encode()).digest()
    return IPv4Network(f"10.{192 + digest[0] % 64}.{digest[1]}.0/24")


def plan_stack(project: Project, environment: Environment, page: str) -> Stack:
    """Read off an environment what its system consists of.

    Args:
        project: the project file.
        environment: the environment.
        page: of deploy.maintenance, as read.

    Raises:
        ProjectFileError: it has no `deploy`, or services that contradict each other.
    """
    file = environment.file
    if file.deploy is None:
        raise ProjectFileError(
            f"the environment {environment.name} does not say how it is run",
            where=environment.where(),
            hint="add `deploy:`, at the least `deploy: {}`; README, Staging and production",
        )
    if isinstance(file.deploy.media, ClaimMedia):
        raise ProjectFileError(
            "a claim is a volume of Kubernetes, and this system runs on an engine",
            where=environment.where("deploy", "media"),
            hint="take deploy.media out, or `kiln render kubernetes` and apply what it writes",
        )
    own = file.deploy.services.model_dump(exclude_none=True)
    _require_own_hosts(environment, own)
    name = stack_name(project.file.name, environment.name)
    database, queue = file.services.database, file.services.queue
    subnet = file.deploy.subnet
    return Stack(
        name=name,
        shop=project.file.name,
        environment=environment.name,
        deploy=file.deploy,
        subnet=IPv4Network(subnet) if subnet else default_subnet(name),
        services={service: one["image"] for service, one in own.items()},
        database=(database.name, database.user, database.password.secret)
        if "database" in own
        else None,
        queue=(queue.user, queue.password.secret) if queue and "queue" in own else None,
        certificate=_certificate(environment),
        varnish=tuple(f"{one.host}:{one.port}" for one in file.services.varnish),
        base_url=base_url(environment),
        allowed=tuple(map(ip_network, file.deploy.maintenance.allowed)),
        trusted=tuple(map(ip_network, file.deploy.trusted_proxies)),
        page=page,
    )


def _certificate(environment: Environment) -> str | None:
    """The certificate's secret, which must be no other's: the shop's containers read all others.

    Raises:
        ProjectFileError: it is.
    """
    https = environment.file.deploy.https if environment.file.deploy else None
    if https is None:
        return None
    name = https.certificate.secret
    keys = referenced_secrets(environment.file)[name]
    if len(keys) > 1:
        raise ProjectFileError(
            f"the secret {name} is that of the certificate, and something else besides",
            where=environment.where("deploy", "https", "certificate"),
            hint="give the certificate a secret of its own",
        )
    return name


def base_url(environment: Environment) -> str:
    """Where visitors reach the shop; empty where only the database says."""
    settings = environment.file.settings.default
    for path in ("web/secure/base_url", "web/unsecure/base_url"):
        value = settings.get(path)
        if isinstance(value, str) and "://" in value:
            return value
    return ""


def _require_own_hosts(environment: Environment, own: Mapping[str, object]) -> None:
    services = environment.file.services
    for key, service in _SERVED_BY.items():
        spoken_to = getattr(services, key)
        if service not in own or spoken_to is None:
            continue
        if (spoken_to.host, spoken_to.port) != (service, SERVICE_PORTS[service]):
            raise ProjectFileError(
                f"the {service} that Kiln runs is at {service}:{SERVICE_PORTS[service]}, but "
                f"services.{key} is at {spoken_to.host}:{spoken_to.port}",
                where=environment.where("services", key),
                hint=f"write `host: {service}`, or take deploy.services.{service} out",
            )
    for service in own:
        if not any(
            served_by == service and getattr(services, key) is not None
            for key, served_by in _SERVED_BY.items()
        ):
            raise ProjectFileError(
                f"nothing in `services` uses the {service} that Kiln is to run",
                where=environment.where("deploy", "services", service),
                hint=f"add services.{service} with `host: {service}`, or take it out of deploy",
            )
