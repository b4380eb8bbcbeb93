"""What is found out on the host before a release is planned, and the plan."""

import hashlib
from dataclasses import dataclass, replace
from datetime import datetime

from builder.deploy.database_status import DatabaseStatus, parse_status, require_answer
from builder.deploy.delivery import shop_secrets
from builder.deploy.image_files import any_path, read_files, read_labels
from builder.deploy.keeper import SECRETS, HostFile
from builder.deploy.site import Site
from builder.deploy.state import MANIFEST, PROBE, RELEASES, HostState, release_folder
from builder.deploy.status import find_problems, see
from builder.deploy.steps import pull_image
from builder.errors import RefusedError
from builder.magento.delivery import plan_delivery
from builder.magento.release_files import RELEASE_FILES, ReleaseFiles, read_release_files
from builder.magento.services import cache_prefix
from builder.magento.versions import load_versions
from builder.plan.migration import Migration, judge_migration, reverse_obstacle
from builder.plan.release import (
    DeployPlan,
    PullImage,
    Release,
    Wish,
    free_slot,
    plan_deploy,
)
from builder.project.environments import Environment
from builder.render.env_php import render_env_php


@dataclass(frozen=True, slots=True)
class Prepared:
    """A plan, and the env.php of its release."""

    plan: DeployPlan
    env_php: str


def prepare_deploy(
    site: Site,
    state: HostState,
    environment: Environment,
    image: str,
    now: datetime,
    by: str,
    *,
    restart_services: bool,
) -> Prepared:
    """Plan the release of an image.

    On a system that serves, services that do not run are started first: without them nothing can
    be said about the database.

    Args:
        site: the stack on its host.
        state: what is recorded there.
        environment: which says how it runs.
        image: by digest, on the host.
        now: the time to record.
        by: user and host.
        restart_services: change the proxy and services that are to be others as well.

    Raises:
        ProjectFileError: the environment does not fit the image.
        ReleaseError: the image is none of Kiln's, or cannot tell what the database needs.
    """
    site.driver.refuse_plan()
    labels = read_labels(site.engine, image)
    number = state.next_number
    facts = read_facts(site, image)
    delivery = plan_delivery(
        environment,
        load_versions().magento_version(labels.edition, labels.version),  # type: ignore[arg-type]
        release=str(number),
        config=facts.config,
        cache_types=facts.cache_types,
    )
    env_php = render_env_php(delivery)
    values = shop_secrets(site)
    deploy = site.stack.deploy
    release = Release(
        number=number,
        image=image,
        content_version=labels.content_version,
        slot=free_slot(state.current),
        replicas=deploy.web.replicas,
        consumers=deploy.consumers,
        cron=deploy.cron,
        config_hash=config_hash(env_php, environment.name, number),
        variables=dict(delivery.variables),
        secrets={name: value.version for name, value in sorted(values.items())},
        schema_image=image,
        created=now,
        by=by,
    )
    migration = _judge(site, state, release, facts, env_php)
    if migration.kind == "none" and state.current is not None:
        release = release.model_copy(update={"schema_image": state.current.schema_image})
    plan = _plan(site, state, release, migration, None, restart_services=restart_services)
    return Prepared(plan, env_php)


def prepare_rollback(
    site: Site,
    state: HostState,
    target: Release,
    now: datetime,
    by: str,
    *,
    current_secrets: bool,
    force: bool,
) -> Prepared:
    """Plan the way back to an earlier release: its image, configuration and secrets.

    Only the prefix of its caches is another: what it cached then may not be true any more.

    Args:
        site: the stack on its host.
        state: what is recorded there.
        target: the earlier release; its image is on the host.
        now: the time to record.
        by: user and host.
        current_secrets: take today's secrets instead.
        force: go back although the database has become another.

    Raises:
        RefusedError: the database has become another, or what it needs is not on the host.
    """
    obstacles = _obstacles(site, state, target)
    if obstacles and not force:
        raise RefusedError(
            f"release {target.number} cannot serve what the database has become since",
            where=site.stack.name,
            details=obstacles,
            hint="restore the backup of that time, then give --force; or go forward",
        )
    number = state.next_number
    kept = site.keeper.read(f"{release_folder(target.number)}/env.php")
    if kept is None:
        raise RefusedError(
            f"the env.php of release {target.number} is not on the host any more",
            where=site.stack.name,
            hint="`kiln deploy` its digest with today's configuration",
        )
    environment = site.stack.environment
    env_php = kept.decode().replace(
        cache_prefix(environment, str(target.number)), cache_prefix(environment, str(number))
    )
    values = shop_secrets(site) if current_secrets else {}
    release = target.model_copy(
        update={
            "number": number,
            "slot": free_slot(state.current),
            "rolled_back_to": target.number,
            "created": now,
            "by": by,
            "schema_image": state.current.schema_image if state.current else target.image,
            "secrets": {name: value.version for name, value in sorted(values.items())}
            if current_secrets
            else target.secrets,
        }
    )
    migration = Migration(
        "none", False, (f"a rollback to release {target.number} leaves the database as it is",)
    )
    secrets_of = None if current_secrets else target.number
    return Prepared(_plan(site, state, release, migration, secrets_of), env_php)


def _obstacles(site: Site, state: HostState, target: Release) -> tuple[str, ...]:
    if state.current is None or state.current.schema_image == target.image:
        return ()
    migrated = _pull_facts(site, state.current.schema_image)
    return reverse_obstacle(migrated, read_facts(site, target.image))


def runs_unchanged(site: Site, state: HostState) -> bool:
    """Whether the live release runs as it should, in containers as they would be made today."""
    current = state.current
    if current is None:
        return False
    made = site.keeper.read(f"{release_folder(current.number)}/{MANIFEST}")
    if made is None or made.decode() != site.driver.describe(site, current):
        return False
    # The lock is this process's own.
    return not find_problems(site.stack, replace(see(site.driver), lock=None))


def config_hash(env_php: str, environment: str, number: int) -> str:
    """SHA-256 of an env.php, hex; the same for all releases with the same configuration."""
    text = env_php.replace(cache_prefix(environment, str(number)), "")
    return hashlib.sha256(text.encode()).hexdigest()


def _plan(
    site: Site,
    state: HostState,
    release: Release,
    migration: Migration,
    secrets_of: int | None,
    *,
    restart_services: bool = False,
) -> DeployPlan:
    deploy = site.stack.deploy
    down = site.driver.services_down(site)
    last = state.releases[state.current.number].plan if state.current else None
    return plan_deploy(
        site.stack.name,
        Wish(
            release=release,
            previous=state.current,
            old=state.rollback_targets,
            assets=last.assets if last else {},
            migration=migration.kind,
            needs_import=migration.needs_import,
            reasons=(*migration.reasons, *migration.notes),
            secrets_of=secrets_of,
            services_down=down,
            services_differ=site.driver.services_differ(site),
            restart_services=restart_services,
            proxy_differs="proxy" not in down and site.driver.proxy_differs(site),
            varnish=site.stack.varnish,
            backup=deploy.backup is not None,
            warm=deploy.warm,
            watch=deploy.timeouts.watch,
            keep=deploy.keep,
        ),
    )


def read_facts(site: Site, image: str) -> ReleaseFiles:
    """What the files of an image say of its database; the image is on the host."""
    return read_release_files(read_files(site.engine, image, any_path(RELEASE_FILES)))


def _pull_facts(site: Site, image: str) -> ReleaseFiles:
    pull_image(site, PullImage(image=image))
    return read_facts(site, image)


def _judge(
    site: Site, state: HostState, release: Release, new: ReleaseFiles, env_php: str
) -> Migration:
    if site.driver.services_down(site):
        if state.current is None:
            return Migration(
                "install", False, ("not all services run yet: an empty database is set up",)
            )
        site.watcher.step("start services that do not run")
        site.driver.start_services(site)
    status = ask_database(site, release, env_php)
    if status.tables == 0 or status.installing:
        return Migration("install", False, ("nothing is installed in the database yet",))
    codes = (status.database or 0, status.configuration or 0)
    if state.current is None:
        return judge_migration(None, new, *codes)
    # After a rollback the tables are those of a newer release than the one that serves.
    judged = [
        judge_migration(_pull_facts(site, image), new, *codes)
        for image in dict.fromkeys((state.current.image, state.current.schema_image))
    ]
    return next((one for one in judged if one.kind == "destructive"), judged[0])


def ask_database(site: Site, release: Release, env_php: str) -> DatabaseStatus:
    """Ask the new image what the database needs, in a container that is thrown away.

    Raises:
        ReleaseError: it cannot tell.
    """
    token = site.lease.token
    folder = {"env.php": HostFile(env_php.encode(), 0o644)}
    # The answer that a killed kiln left may be another image's.
    site.driver.remove_jobs(PROBE)
    try:
        site.keeper.install(token, f"{RELEASES}/{PROBE}", folder, HostFile(b"", 0o755))
        site.driver.deliver_secrets(site, PROBE, shop_secrets(site))
        printed = site.driver.run_role(site, release, "status", 300, files=PROBE)
    finally:
        site.driver.remove_jobs(PROBE)
        site.keeper.remove(token, f"{RELEASES}/{PROBE}", f"{SECRETS}/{PROBE}")
    status = parse_status(printed)
    require_answer(status)
    return status
