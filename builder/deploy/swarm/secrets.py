"""Secrets of a system on a swarm that runs: services are given other versions of them."""

import base64
import time

from builder.deploy.engine import last_lines, run_in, run_with_input
from builder.deploy.passwords import refused_password
from builder.deploy.site import Site
from builder.deploy.swarm.fleet import Fleet
from builder.deploy.swarm.keeper import SwarmKeeper
from builder.deploy.swarm.tasks import Tasks
from builder.errors import EngineError, ReleaseError
from builder.plan.release import Release
from builder.render.swarm import MONITOR_SECONDS, ROLE_LABEL, Spec, give_secrets
from builder.secrets.delivery import VersionedValue

_READERS = ("web", "cron", "consumer")
_PAUSE = 1.0
# On standard input: the new password, and the old one where both are to be right, in base64.
_PASSWORDS = r"""
set -eu
read -r new old || true
as_sql() { printf %s "$1" | base64 -d | sed "s/[\\']/\\\\&/g"; }
way() { printf "mysql_native_password USING PASSWORD('%s')" "$(as_sql "$1")"; }
{
    printf "ALTER USER '%s'@'%%' IDENTIFIED VIA %s" "$MARIADB_USER" "$(way "$new")"
    [ -z "${old:-}" ] || printf " OR %s" "$(way "$old")"
    echo ";"
} | mariadb
"""


def update_services(tasks: Tasks, site: Site, keeper: SwarmKeeper, release: Release) -> None:
    """Replace the tasks of a release by such that read the secrets of its folder, one by one.

    Raises:
        ReleaseError: Swarm has put a service back, since new tasks were no good.
    """
    stored = keeper.secrets(str(release.number))
    changed = []
    for one in tasks.services(release=str(release.number)):
        spec, name = one["Spec"], one["Spec"]["Name"]
        if spec["Labels"].get(ROLE_LABEL) not in _READERS:
            continue

        def give(found: Spec) -> bool:
            return give_secrets(found, stored)

        site.lease.check()
        if tasks.fleet.managers.update("services", name, give, tasks.auth(spec)):
            changed.append(name)
    for name in changed:
        site.watcher.detail(f"{name} is given the new values, a container at a time")
        _wait_updated(tasks, site, name)


def _wait_updated(tasks: Tasks, site: Site, name: str) -> None:
    deploy = site.stack.deploy
    each = deploy.timeouts.boot + max(deploy.timeouts.stop, deploy.timeouts.work)
    until = time.monotonic() + MONITOR_SECONDS + each * 60
    while True:
        found = tasks.fleet.managers.get(f"services/{name}")
        status = found.get("UpdateStatus") or {}
        if status.get("State") == "completed":
            return
        if status.get("State") in ("rollback_completed", "rollback_paused", "paused"):
            raise ReleaseError(
                f"containers with the new values do not come up: {status.get('Message', '')}",
                where=name,
                hint="the old values are in use still; see `docker service ps`",
            )
        if time.monotonic() > until:
            raise EngineError("is not updated in time", where=name, hint="`docker service ps`")
        time.sleep(_PAUSE)


def accept_password(fleet: Fleet, name: str, value: VersionedValue) -> None:
    """Let the database take a new password beside the one that the shop uses.

    Raises:
        ReleaseError: it refuses.
    """
    webs = [one for one in fleet.containers(role="web") if one.status == "running"]
    if not webs:
        raise EngineError("no web container runs", where=fleet.stack.name, hint="`kiln status`")
    # The one that is in use is what running containers have; the swarm gives no value back.
    used = run_in(webs[0], "base64", "-w0", f"/run/secrets/{name}")
    if used.returncode != 0:
        raise EngineError(
            f"the value of {name} in use cannot be read",
            where=str(webs[0].name),
            details=last_lines(webs[0]),
            hint="run this again",
        )
    _set_passwords(fleet, _encoded(value), used.stdout.strip())


def settle_password(fleet: Fleet, value: VersionedValue) -> None:
    """Let it take the new password alone.

    Raises:
        ReleaseError: it refuses.
    """
    _set_passwords(fleet, _encoded(value))


def _encoded(value: VersionedValue) -> str:
    return base64.b64encode(value.value.reveal()).decode()


def _set_passwords(fleet: Fleet, *passwords: str) -> None:
    found = fleet.containers(role="database")
    if not found:
        raise EngineError("no database runs", where=fleet.stack.name, hint="`kiln status`")
    line = " ".join(passwords) + "\n"
    done = run_with_input(found[0], line.encode(), "sh", "-c", _PASSWORDS)
    if done.returncode != 0:
        raise refused_password(str(found[0].name), done.stderr)
