"""The password of a database that Kiln runs on one host, changed while the shop is open."""

from builder.deploy.delivery import SERVICE_SECRETS, deliver_service_secrets
from builder.deploy.engine import run_in
from builder.deploy.keeper import SECRETS
from builder.deploy.services import service_container
from builder.deploy.site import Site
from builder.errors import ReleaseError
from builder.secrets.delivery import VersionedValue

# MariaDB lets one user have two passwords at once: while the new one spreads, both are right. The
# values come from files and go through a pipe, so that they are in no command line.
_PASSWORDS = r"""
set -eu
as_sql() { sed "s/[\\']/\\\\&/g" "/run/secrets/$1"; }
way() { printf "mysql_native_password USING PASSWORD('%s')" "$(as_sql "$1")"; }
{
    printf "ALTER USER '%s'@'%%' IDENTIFIED VIA %s" "$MARIADB_USER" "$(way "$1")"
    [ $# -eq 1 ] || printf " OR %s" "$(way "$2")"
    echo ";"
} | mariadb
"""


def accept_password(site: Site, name: str, value: VersionedValue) -> None:
    """Let the database take a new password beside the one so far.

    Raises:
        ReleaseError: it refuses.
    """
    following = f"{name}.next"
    site.driver.deliver_secrets(site, SERVICE_SECRETS, {following: value})
    _set_passwords(site, name, following)


def settle_password(site: Site, name: str) -> None:
    """Let the database take the new password alone, now and after a restart.

    Raises:
        ReleaseError: it refuses.
    """
    deliver_service_secrets(site)
    _set_passwords(site, name)
    site.keeper.remove(site.lease.token, f"{SECRETS}/{SERVICE_SECRETS}/{name}.next")


def _set_passwords(site: Site, *names: str) -> None:
    container = service_container(site.engine, site.stack.name, "database")
    done = run_in(container, "sh", "-c", _PASSWORDS, "sh", *names)
    if done.returncode != 0:
        raise refused_password(str(container.name), done.stderr)


def refused_password(where: str, said: str) -> ReleaseError:
    """The database does not take it."""
    return ReleaseError(
        "the database does not take another password",
        where=where,
        details=tuple(said.strip().splitlines()[-5:]),
        hint="the old one is right still; `kiln secrets rotate` again goes on",
    )
