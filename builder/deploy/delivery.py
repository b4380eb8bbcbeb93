"""Secrets on their way to a host: to files on its tmpfs, for the containers' user alone."""

from collections.abc import Mapping

from builder.deploy.keeper import SECRETS, HostFile, Keeper
from builder.deploy.site import Site
from builder.secrets.delivery import WWW_DATA, VersionedValue

SERVICE_SECRETS = "services"


def shop_secrets(site: Site) -> dict[str, VersionedValue]:
    """The secrets that the shop's containers read: all but the key of the proxy's certificate."""
    return {
        name: value
        for name, value in site.wanted_secrets().items()
        if name != site.stack.certificate
    }


def deliver_service_secrets(site: Site) -> None:
    """Have what the services read in their folder."""
    names = site.stack.service_secrets
    values = site.wanted_secrets() if names else {}
    site.driver.deliver_secrets(site, SERVICE_SECRETS, {name: values[name] for name in names})


def write_secrets(
    keeper: Keeper, token: int, folder: str, values: Mapping[str, VersionedValue]
) -> None:
    """Write secrets to a folder of the host's tmpfs, for the containers' user alone."""
    owner = (WWW_DATA.uid, WWW_DATA.gid)
    files = {name: HostFile(one.value.reveal(), 0o400, *owner) for name, one in values.items()}
    keeper.install(token, f"{SECRETS}/{folder}", files, HostFile(b"", 0o500, *owner))
