from ipaddress import IPv4Network, IPv6Network

import pytest

from builder.errors import ProxyError
from builder.plan.proxy import Listener, ProxyPlan, Timeouts
from builder.render.proxy import (
    config_digest,
    first_maps,
    live_entries,
    render_map,
    render_proxy_config,
    render_proxy_files,
    render_proxy_image,
    version_entries,
)
from tests.unit.conftest import Golden
from tests.unit.plans import BASE, make_proxy_plan

VARIANTS: dict[str, ProxyPlan] = {
    "plain": make_proxy_plan(),
    "everything": make_proxy_plan(
        replicas=1,
        assets=1,
        listeners=(Listener(8080), Listener(8443, certificate="shop-certificate")),
        allowed=(IPv4Network("203.0.113.0/24"), IPv6Network("2001:db8::/32")),
        trusted=(IPv4Network("10.9.0.0/16"), IPv4Network("192.0.2.7/32")),
        timeouts=Timeouts(request=600, keep_alive=5, drain=660),
    ),
    "resolved": make_proxy_plan(replicas=4, assets=2, resolved=True),
}


@pytest.mark.parametrize("name", VARIANTS)
def test_the_configuration_is_as_reviewed(golden: Golden, name: str) -> None:
    golden.check(f"proxy/{name}.cfg", render_proxy_config(VARIANTS[name]))


@pytest.mark.parametrize("mirror", [None, "http://mirror.example/debian"])
def test_the_image_is_as_reviewed(golden: Golden, mirror: str | None) -> None:
    name = "mirror" if mirror else "plain"
    golden.check(f"proxy/{name}.Dockerfile", render_proxy_image(BASE, mirror).dockerfile)


def test_the_image_is_named_by_what_it_is_made_of() -> None:
    one, other = render_proxy_image(BASE, None), render_proxy_image(BASE + "0", None)
    assert one.name.startswith("kiln-proxy:")
    assert one.name != other.name
    assert one.name == render_proxy_image(BASE, None).name


def test_a_configuration_names_the_page_that_is_read_with_it() -> None:
    one, same, other = (
        config_digest(render_proxy_config(make_proxy_plan(page=page))) for page in ("a", "a", "b")
    )
    assert one == same != other
    assert len(one) == 16


def test_any_number_of_networks_may_be_trusted() -> None:
    """HAProxy refuses a line of more than 64 words; large CDNs have hundreds of networks."""
    networks = tuple(IPv4Network(f"10.{i}.0.0/16") for i in range(200))
    text = render_proxy_config(make_proxy_plan(trusted=networks, allowed=networks))
    assert max(len(line.split()) for line in text.splitlines()) < 64


def test_a_page_that_would_not_fit_into_an_answer_is_refused() -> None:
    with pytest.raises(ProxyError, match="maintenance page has 30000 bytes"):
        render_proxy_files(make_proxy_plan(page="x" * 30000))


def test_maps_have_a_key_and_a_value_on_each_line() -> None:
    entries = version_entries({"20": "be_blue", "10": "be_assets_1"})
    assert render_map(entries) == "version10 be_assets_1\nversion20 be_blue\n"
    assert render_map(live_entries("green")) == "live be_green\n"


def test_before_the_first_release_nothing_is_served() -> None:
    assert first_maps() == {
        "live.map": b"live none\n",
        "versions.map": b"",
        "mode.map": b"mode open\n",
    }
