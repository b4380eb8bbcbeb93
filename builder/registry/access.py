"""How registries are reached: plain HTTP or TLS, trusted certificates, proxies, patience."""

import ipaddress
import urllib.parse
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

from builder.errors import RegistryError

# Where distributions keep the system's CA certificates (Go's crypto/x509/root_linux.go, which is
# what the docker client trusts; requests would trust certifi's list alone).
_SYSTEM_CA_BUNDLES = (
    Path("/etc/ssl/certs/ca-certificates.crt"),
    Path("/etc/pki/tls/certs/ca-bundle.crt"),
    Path("/etc/ssl/ca-bundle.pem"),
    Path("/etc/ssl/cert.pem"),
)


@dataclass(frozen=True, slots=True)
class RegistryAccess:
    """How registries are reached. Nothing is read from the environment.

    Attributes:
        auth_config: docker's config.json with logins and credential helpers, or None.
        plain_http: speak HTTP to every registry; loopback addresses are spoken HTTP to anyway.
        ca_bundle: PEM file of the CA certificates to trust instead of the system's.
        proxies: URLs by `http` and `https`, and a comma-separated list by `no_proxy`.
        read_timeout: seconds of silence after which a request has failed.
    """

    auth_config: Path | None = None
    plain_http: bool = False
    ca_bundle: Path | None = None
    proxies: Mapping[str, str] = field(default_factory=dict)
    read_timeout: float = 60.0

    def without_tls(self, registry: str) -> bool:
        """Whether to speak plain HTTP to a registry."""
        return self.plain_http or speaks_plain_http(registry)

    def trusted_certificates(self) -> str | bool:
        """The `verify` of requests: a PEM file, or True for certifi's list.

        Raises:
            RegistryError: the configured file does not exist.
        """
        if self.ca_bundle is not None:
            if not self.ca_bundle.is_file():
                raise RegistryError(
                    "the CA bundle does not exist",
                    where=str(self.ca_bundle),
                    hint="check the path",
                )
            return str(self.ca_bundle)
        return next((str(path) for path in _SYSTEM_CA_BUNDLES if path.is_file()), True)

    def proxies_for(self, url: str) -> dict[str, str]:
        """The `proxies` of requests for one address."""
        parts = urllib.parse.urlsplit(url)
        proxy = self.proxies.get(parts.scheme)
        if proxy is None or bypasses_proxy(parts.netloc, self.proxies.get("no_proxy", "")):
            return {}
        return {parts.scheme: proxy}


def speaks_plain_http(registry: str) -> bool:
    """Whether a registry is on this machine, which docker reaches without TLS too."""
    host = registry if registry.endswith("]") else registry.rpartition(":")[0] or registry
    if host == "localhost":
        return True
    try:
        return ipaddress.ip_address(host.strip("[]")).is_loopback
    except ValueError:
        return False


def bypasses_proxy(netloc: str, no_proxy: str) -> bool:
    """curl's rule for no_proxy: whole names and domains, with or without a leading dot.

    Args:
        netloc: host and optional port; one on this machine is always reached directly.
        no_proxy: names, comma-separated; `*` stands for all.
    """
    host = netloc.rpartition(":")[0] or netloc
    for item in no_proxy.lower().split(","):
        name = item.strip().lstrip("*").lstrip(".")
        if item.strip() == "*" or (name and f".{host.lower()}".endswith(f".{name}")):
            return True
    return speaks_plain_http(netloc)
