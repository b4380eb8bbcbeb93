"""Secrets of a system on a swarm that runs: services are given other versions of them."""

import base64

from docker.models.containers import Container

from builder.deploy.engine import last_lines, run_in, run_with_input
from builder.deploy.passwords import refused_password
from builder.deploy.site import Site
from builder.deploy.swarm.fleet import Fleet
from builder.deploy.swarm.keeper import SwarmKeeper
from builder.deploy.swarm.tasks import Tasks
from builder.errors import EngineError
from builder.plan.release import Release
from builder.render.swarm import MONITOR_SECONDS, ROLE_LABEL, Spec, give_secrets
from builder.secrets.delivery import VersionedValue

_READERS = ("web", "cron", "consumer")
# On standard input, in base64: the new password, and those that are to be right beside it.
_PASSWORDS = r"""
set -eu
read -r given || true
set -- $given
as_sql() { printf %s "$1" | base64 -d | sed "s/[\\']/\\\\&/g"; }
way() { printf "mysql_native_password USING PASSWORD('%s')" "$(as_sql "$1")"; }
{
    printf "ALTER USER '%s'@'%%' IDENTIFIED VIA %s" "$MARIADB_USER" "$(way "$1")"
    shift
    for old; do printf " OR %s" "$(way "$old")"; done
    echo ";"
} | mariadb
"""


def update_services(tasks: Tasks, site: Site, keeper: SwarmKeeper, release: Release) -> None:
    """Replace the tasks of a release by such that read the secrets of its folder, one by one.

    Raises:
        ReleaseError: Swarm has put a service back, since new tasks were no good.
    """
    stored = keeper.secrets(str(release.number))
    readers = []
    for one in tasks.services(release=str(release.number)):
        spec, name = one["Spec"], one["Spec"]["Name"]
        if spec["Labels"].get(ROLE_LABEL) not in _READERS:
            continue

        def give(found: Spec) -> bool:
            return give_secrets(found, stored)

        site.lease.check()
        if tasks.fleet.managers.update("services", name, give, tasks.auth(spec)):
            site.watcher.detail(f"{name} is given the new values, a container at a time")
        readers.append(name)
    timeouts = site.stack.deploy.timeouts
    each = timeouts.boot + max(timeouts.stop, timeouts.work)
    # All of them: a rotation before this one may have been cut short while Swarm was at it.
    for name in readers:
        tasks.wait_updated(name, MONITOR_SECONDS + each * 60)


def accept_password(fleet: Fleet, name: str, value: VersionedValue) -> None:
    """Let the database take a new password beside those that the shop's containers use.

    More than one is in use where a rotation was cut short.

    Raises:
        ReleaseError: it refuses.
    """
    found = [one for role in _READERS for one in fleet.containers(role=role)]
    readers = [one for one in found if one.status == "running"]
    if not readers:
        raise EngineError("no container runs", where=fleet.stack.name, hint="`kiln status`")
    # What is in use is what running containers have; the swarm gives no value back.
    used = {_read_secret(one, name): None for one in readers}
    used.pop(_encoded(value), None)
    _set_passwords(fleet, _encoded(value), *used)


def _read_secret(container: Container, name: str) -> str:
    done = run_in(container, "base64", "-w0", f"/run/secrets/{name}")
    if done.returncode != 0:
        raise EngineError(
            f"the value of {name} in use cannot be read",
            where=str(container.name),
            details=last_lines(container),
            hint="run this again",
        )
    return done.stdout.strip()


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
