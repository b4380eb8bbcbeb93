"""Secrets of a system that runs: given other values without a new release."""

import time
from collections.abc import Iterable, Mapping

from builder.deploy.delivery import deliver_service_secrets, shop_secrets
from builder.deploy.engine import run_in
from builder.deploy.keeper import SECRETS
from builder.deploy.services import (
    configure_proxy,
    proxy_differs,
    serves_https,
)
from builder.deploy.site import Site
from builder.deploy.state import HostState, audit, save_release
from builder.deploy.steps import load_release
from builder.errors import RefusedError, ReleaseError, SecretError
from builder.secrets.delivery import VersionedValue
from builder.secrets.value import SecretValue

# PHP reads secrets at the beginning of a request and may connect a little later.
_SPREAD_SECONDS = 5.0
_KEPT = f"{SECRETS}/kept"
_MOST_KEPT = 5


def changed_secrets(site: Site, state: HostState) -> dict[str, VersionedValue]:
    """Secrets whose value in the source is another than the one that the live release reads."""
    if state.current is None:
        return {}
    release = load_release(site, state.current.number)
    return {
        name: value
        for name, value in shop_secrets(site).items()
        if release.secrets.get(name) not in (None, value.version)
    }


def rotate_secrets(
    site: Site, state: HostState, by: str, *, database_has_both: bool, clean_config: bool
) -> dict[str, str]:
    """Bring the live release's secrets up to the source; running containers see them at once.

    The password of a database that Kiln runs is changed in the database as well, with both
    passwords right meanwhile. For one that runs elsewhere, see that it takes both before.

    Args:
        site: the stack on its host.
        state: what is recorded there.
        by: user and host.
        database_has_both: the database takes both passwords; leave it alone.
        clean_config: a secret is the value of a setting, which Magento's configuration cache keeps
            (magento2#35045).

    Returns:
        The new version of each that has changed; empty where nothing has.

    Raises:
        RefusedError: nothing is deployed, or the database's password is not Kiln's to change.
        ReleaseError: the database refuses.
    """
    if state.current is None:
        raise RefusedError(
            "nothing is deployed yet", where=site.stack.name, hint="`kiln deploy` takes them"
        )
    versions = _renew_certificate(site)
    changed = changed_secrets(site, state)
    if changed:
        site.driver.refuse_rotation(changed)
        database = site.stack.database
        if database is not None and database[2] in changed and not database_has_both:
            _rotate_database(site, state, database[2], changed)
        else:
            _deliver(site, state, changed)
        deliver_service_secrets(site)
        if clean_config:
            _clean_config(site, state.current.number)
        delivered = {name: value.version for name, value in changed.items()}
        _record(site, state, delivered)
        versions |= delivered
    if versions:
        audit(
            site.keeper,
            site.lease.token,
            what="rotate",
            secrets=versions,
            release=state.current.number,
            by=by,
        )
    return versions


def _renew_certificate(site: Site) -> dict[str, str]:
    """Have the proxy serve with the certificate of the source; one that it refuses is not taken."""
    name = site.stack.certificate
    if name is None or not (serves_https(site) and proxy_differs(site)):
        return {}
    configure_proxy(site)
    return {name: site.wanted_secrets()[name].version}


def _deliver(site: Site, state: HostState, changed: Mapping[str, VersionedValue]) -> None:
    """Write the values for the live release, and for those that can be gone back to.

    What they had is not right any more: with it they could not be gone back to.
    """
    _keep(site, state, changed)
    for number in _affected(site, state, changed):
        site.driver.deliver_secrets(site, str(number), changed)
    if state.current is not None:
        site.driver.take_secrets(site, load_release(site, state.current.number))


def _keep(site: Site, state: HostState, names: Iterable[str]) -> None:
    """Keep the values so far on the host, for `kiln secrets rollback`."""
    if state.current is None:
        return
    for name in names:
        version = state.current.secrets.get(name)
        if version is None:
            continue
        source = f"{SECRETS}/{state.current.number}/{name}"
        place = f"{_KEPT}/{name}"
        kept = [one for one in kept_versions(site, name) if one != version]
        site.keeper.copy(site.lease.token, source, f"{place}/{version}")
        for old in kept[_MOST_KEPT - 1 :]:
            site.keeper.remove(site.lease.token, f"{place}/{old}")


def kept_versions(site: Site, name: str) -> tuple[str, ...]:
    """Versions of a secret that were rotated away and are still on the host, the newest first."""
    return site.keeper.list_by_time(f"{_KEPT}/{name}")


def kept_value(site: Site, name: str, version: str | None) -> SecretValue:
    """A value that was rotated away; the last one without a version.

    Raises:
        SecretError: it is not on the host any more.
    """
    known = kept_versions(site, name)
    wanted = version or (known[0] if known else "")
    content = site.keeper.read(f"{_KEPT}/{name}/{wanted}") if wanted in known else None
    if content is None:
        raise SecretError(
            f"there is no version {wanted} of {name} on this host any more"
            if wanted
            else f"there is no earlier version of {name} on this host",
            where=site.stack.name,
            hint=f"set the old value in the source, then `kiln secrets rotate "
            f"{site.stack.environment} {name}`",
        )
    return SecretValue(content)


def _clean_config(site: Site, number: int) -> None:
    """Of the live release's own prefix; in each container, since the cache may be in files."""
    for role in ("web", "cron", "consumer"):
        for container in site.driver.containers(release=str(number), role=role):
            done = run_in(container, "php", "bin/magento", "cache:clean", "config")
            if done.returncode != 0:
                raise ReleaseError(
                    "the configuration cache, which has the old value, cannot be cleaned",
                    where=str(container.name),
                    details=tuple(done.stdout.strip().splitlines()[-5:]),
                    hint="run `bin/magento cache:clean config` there",
                )


def _affected(site: Site, state: HostState, names: Iterable[str]) -> list[int]:
    """Releases whose secrets are on the host and have what the live release has so far."""
    there = site.keeper.list(SECRETS)
    live = state.current.secrets if state.current else {}
    return [
        number
        for number, one in sorted(state.releases.items(), reverse=True)
        if str(number) in there
        and all(one.release.secrets.get(name) == live.get(name) for name in names)
    ]


def _record(site: Site, state: HostState, versions: Mapping[str, str]) -> None:
    for number in _affected(site, state, versions):
        release = load_release(site, number)
        known = {**release.secrets, **versions}
        save_release(site.keeper, site.lease.token, release.model_copy(update={"secrets": known}))


def _rotate_database(
    site: Site, state: HostState, name: str, changed: Mapping[str, VersionedValue]
) -> None:
    if site.images["database"] == site.stack.services.get("database"):
        raise RefusedError(
            "Kiln changes passwords in databases of its own images alone",
            where=f"deploy.services.database of {site.stack.environment}",
            hint="let the user have both passwords (ALTER USER ... OR ...), then add "
            "--database-has-both",
        )
    site.driver.accept_password(site, name, changed[name])
    _deliver(site, state, changed)
    time.sleep(_SPREAD_SECONDS)
    site.driver.settle_password(site, name, changed[name])
