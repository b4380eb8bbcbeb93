"""What a system consists of in a Kubernetes cluster: names, media, limits. Pure."""

import hashlib
import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from builder.errors import ProjectFileError
from builder.plan.stack import base_url, stack_name
from builder.project.deployment import ClaimMedia, Deploy, VolumeMedia
from builder.project.environments import Environment
from builder.project.loading import Project

# A label's value and a Service's name have 63 characters at most, a CronJob's name 52.
_MOST = 63
_MOST_OF_SYSTEM = 40
MEDIA = "/app/pub/media"
# Until every proxy of the cluster has heard that a pod is to get no new requests.
UNKNOWN_SECONDS = 15


@dataclass(frozen=True, slots=True)
class Cluster:
    """One environment of one shop in a cluster.

    Attributes:
        name: all objects' names begin with it.
        shop: the shop's name.
        environment: the environment's name.
        deploy: what the environment says.
        claim: the PersistentVolumeClaim of the media; None where an object storage has them.
        base_url: where visitors reach the shop; empty where only the database says.
        has_varnish: a Varnish is to forget its pages after a release.
        consumers: queue consumers by the name of their component.
    """

    name: str
    shop: str
    environment: str
    deploy: Deploy
    claim: str | None
    base_url: str
    has_varnish: bool
    consumers: Mapping[str, str]

    @property
    def secret_name(self) -> str:
        """The Secret that whoever runs the cluster makes."""
        return f"{self.name}-secrets"

    @property
    def memory(self) -> str:
        """The most that a container may use, as Kubernetes writes it; empty without a limit."""
        memory = self.deploy.web.memory
        # Docker's units are powers of two as well.
        return f"{memory[:-1]}{memory[-1].upper()}i" if memory else ""

    @property
    def web_grace(self) -> int:
        """Seconds that a web container has to end in: new requests stop, the last one ends."""
        timeouts = self.deploy.timeouts
        return UNKNOWN_SECONDS + max(timeouts.drain, timeouts.stop)


@dataclass(frozen=True, slots=True)
class ClusterRelease:
    """One image with one configuration in a cluster.

    Attributes:
        cluster: the system.
        id: the same for the same image and settings; ten hexadecimal digits.
        image: by digest.
        content_version: of its static content, decimal digits.
        env_php: the text of app/etc/env.php; no secrets.
        variables: environment variables; no secrets.
        secrets: names, which are keys of the Secret.
        writable: where containers write, but for the media.
    """

    cluster: Cluster
    id: str
    image: str
    content_version: str
    env_php: str
    variables: Mapping[str, str]
    secrets: tuple[str, ...]
    writable: tuple[str, ...]

    @property
    def settings_name(self) -> str:
        """The ConfigMap: each release has its own, so that an older one finds its settings."""
        return f"{self.cluster.name}-settings-{self.id}"

    @property
    def static_name(self) -> str:
        """The Deployment and Service of the static content."""
        return f"{self.cluster.name}-static-{self.content_version}"

    def job_name(self, role: str) -> str:
        """The Job that runs a role."""
        return f"{self.cluster.name}-{role}-{self.id}"


def plan_cluster(project: Project, environment: Environment) -> Cluster:
    """Read off an environment what its system consists of in a cluster.

    Raises:
        ProjectFileError: it does not say how it is run, or something that pods cannot do.
    """
    file = environment.file
    deploy = file.deploy
    if deploy is None:
        raise ProjectFileError(
            f"the environment {environment.name} does not say how it is run",
            where=environment.where(),
            hint="add `deploy:` with `media:`; README, Kubernetes",
        )
    name = _begin_with_letter(stack_name(project.file.name, environment.name))
    if len(name) > _MOST_OF_SYSTEM:
        raise ProjectFileError(
            f"{name} is too long to begin the names of Kubernetes' objects with",
            where=environment.where(),
            hint=f"choose names of shop and environment with {_MOST_OF_SYSTEM} characters in all",
        )
    if own := deploy.services.model_dump(exclude_none=True):
        raise ProjectFileError(
            f"Kiln runs no {' or '.join(own)} in a cluster",
            where=environment.where("deploy", "services"),
            hint="take deploy.services out, and name in `services` the addresses that pods reach",
        )
    if file.services.lock == "file":
        raise ProjectFileError(
            "locks in files are of one pod alone: two would do the same at once",
            where=environment.where("services", "lock"),
            hint="write `lock: db`, or `lock: cache`",
        )
    if deploy.media is None or isinstance(deploy.media, VolumeMedia):
        raise ProjectFileError(
            "pods share no folder: media that one of them is given, no other would have, and they "
            "would end with it",
            where=environment.where("deploy"),
            hint="add `deploy.media: {claim: NAME}`, a PersistentVolumeClaim with ReadWriteMany; "
            "or services.object_storage and `deploy.media: {object_storage: true}`",
        )
    return Cluster(
        name=name,
        shop=project.file.name,
        environment=environment.name,
        deploy=deploy,
        claim=deploy.media.claim if isinstance(deploy.media, ClaimMedia) else None,
        base_url=base_url(environment),
        has_varnish=bool(file.services.varnish),
        consumers=name_consumers(deploy.consumers),
    )


def _begin_with_letter(name: str) -> str:
    """A Service's name must (RFC 1035)."""
    return name if name[0].isalpha() else f"shop-{name}"


def name_consumers(consumers: Iterable[str]) -> dict[str, str]:
    """Queue consumers by a name that Kubernetes takes; no two have the same."""
    named: dict[str, str] = {}
    for consumer in dict.fromkeys(consumers):
        name = f"consumer-{re.sub(r'[^a-z0-9]+', '-', consumer.lower())}".strip("-")
        if name in named or len(name) > _MOST:
            digits = hashlib.sha256(consumer.encode()).hexdigest()[:8]
            name = f"{name[: _MOST - 9].rstrip('-')}-{digits}"
        named[name] = consumer
    return named
