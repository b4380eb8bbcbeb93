"""A release in a cluster, from its environment and what its image says. Deploys nothing."""

import hashlib
import json
from collections.abc import Callable

from builder.deploy.engine import Engine, pull_image
from builder.deploy.image_files import any_path, read_files, read_labels
from builder.errors import EngineError, ReleaseError
from builder.magento.delivery import Delivery, plan_delivery
from builder.magento.release_files import RELEASE_FILES, read_release_files
from builder.magento.versions import load_versions
from builder.plan.kubernetes import MEDIA, Cluster, ClusterRelease
from builder.project.environments import Environment
from builder.render.env_php import render_env_php


def describe_release(
    engine: Engine,
    cluster: Cluster,
    environment: Environment,
    image: str,
    tell: Callable[[str], None],
) -> ClusterRelease:
    """Read an image and decide what its pods are given, as for a release on a host.

    Args:
        engine: which reads the image; pulls it where it is not there.
        cluster: the system.
        environment: the same system's.
        image: by digest.
        tell: told of the image if it is pulled.

    Raises:
        EngineError: the image cannot be pulled.
        ProjectFileError: the environment does not fit the image.
        ReleaseError: the image is none of Kiln's.
    """
    try:
        pull_image(engine, image, tell)
    except EngineError as error:
        raise EngineError(
            f"the image cannot be read: {error.message}",
            where=error.where,
            hint="name one that this engine can pull, as `kiln build --push` prints it",
        ) from None
    labels = read_labels(engine, image)
    if not labels.serves_pods:
        raise ReleaseError(
            "was built by a version of Kiln that knew nothing of pods: it lacks what they call",
            where=image,
            hint="build it again from its commit: `kiln build --push`",
        )
    version = load_versions().magento_version(labels.edition, labels.version)  # type: ignore[arg-type]
    facts = read_release_files(read_files(engine, image, any_path(RELEASE_FILES)))

    def deliver(release: str | None) -> Delivery:
        return plan_delivery(
            environment,
            version,
            release=release,
            config=facts.config,
            cache_types=facts.cache_types,
        )

    number = name_release(cluster, image, deliver(None))
    delivery = deliver(number)
    return ClusterRelease(
        cluster=cluster,
        id=number,
        image=image,
        content_version=labels.content_version,
        env_php=render_env_php(delivery),
        variables=delivery.variables,
        secrets=delivery.secrets,
        writable=tuple(path for path in labels.writable if path != MEDIA),
    )


def name_release(cluster: Cluster, image: str, delivery: Delivery) -> str:
    """Ten hexadecimal digits: others as soon as the image, a setting or how it is run is another.

    A cluster keeps no count of releases, and whoever renders twice is to get the same.
    """
    deploy = cluster.deploy.model_dump(mode="json")
    parts = [image, render_env_php(delivery), dict(delivery.variables), deploy]
    return hashlib.sha256(json.dumps(parts, sort_keys=True).encode()).hexdigest()[:10]
