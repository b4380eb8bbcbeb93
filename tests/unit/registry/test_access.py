"""Plain HTTP, proxies and certificates: what is decided without a network."""

from pathlib import Path

import pytest

from builder.errors import RegistryError
from builder.registry.access import RegistryAccess, bypasses_proxy, speaks_plain_http
from builder.registry.client import Registry
from builder.registry.reference import ImageReference


@pytest.mark.parametrize(
    ("registry", "plain"),
    [
        ("localhost", True),
        ("localhost:5000", True),
        ("127.0.0.1:5000", True),
        ("127.8.9.1", True),
        ("[::1]:5000", True),
        ("[::1]", True),
        ("10.0.0.1:5000", False),
        ("[2001:db8::1]:5000", False),
        ("localhost.example", False),
        ("shop.example:5000", False),
    ],
)
def test_only_registries_on_this_machine_are_spoken_plain_http_to(
    registry: str, plain: bool
) -> None:
    assert speaks_plain_http(registry) is plain


@pytest.mark.parametrize(
    ("host", "no_proxy", "bypassed"),
    [
        ("shop.example:5000", "", False),
        ("shop.example:5000", "shop.example", True),
        ("shop.example", "other,.example", True),
        ("shop.example", "example", True),
        ("shop.example", "ample", False),
        ("shop.example", "*", True),
        ("shop.example", "*.example", True),
        ("localhost:5000", "", True),
    ],
)
def test_no_proxy_lists_names_and_domains(host: str, no_proxy: str, bypassed: bool) -> None:
    assert bypasses_proxy(host, no_proxy) is bypassed


def test_a_missing_ca_bundle_is_named(tmp_path: Path) -> None:
    client = Registry(RegistryAccess(ca_bundle=tmp_path / "none.pem"))
    with pytest.raises(RegistryError, match="CA bundle does not exist"):
        client.check_push(ImageReference.parse("a.example/b"))
