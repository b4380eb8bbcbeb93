"""Secrets on their way to a host: to files on its tmpfs, for the containers' user alone."""

from collections.abc import Mapping

from builder.deploy.keeper import SECRETS, HostFile
from builder.deploy.site import Site
from builder.secrets.delivery import WWW_DATA, VersionedValue


def shop_secrets(site: Site) -> dict[str, VersionedValue]:
    """The secrets that the shop's containers read: all but the key of the proxy's certificate."""
    return {
        name: value
        for name, value in site.wanted_secrets().items()
        if name != site.stack.certificate
    }


def deliver_secrets(site: Site, folder: str, values: Mapping[str, VersionedValue]) -> None:
    """Write secrets to a folder of the host's tmpfs, for the containers' user alone."""
    owner = (WWW_DATA.uid, WWW_DATA.gid)
    files = {name: HostFile(one.value.reveal(), 0o400, *owner) for name, one in values.items()}
    mode = HostFile(b"", 0o500, *owner)
    site.keeper.install(site.lease.token, f"{SECRETS}/{folder}", files, mode)
