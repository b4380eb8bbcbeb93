from ipaddress import IPv4Address, IPv4Network

import pytest

from builder.plan.proxy import (
    MOST_ASSETS,
    MOST_REPLICAS,
    SLOTS,
    assets_address,
    assets_backend,
    dynamic_range,
    other_slot,
    proxy_address,
    slot_backend,
    web_address,
)

SUBNET = IPv4Network("10.231.7.0/24")


def test_addresses_are_where_the_design_has_them() -> None:
    assert str(proxy_address(SUBNET)) == "10.231.7.2"
    assert str(web_address(SUBNET, "blue", 1)) == "10.231.7.33"
    assert str(web_address(SUBNET, "green", 60)) == "10.231.7.156"
    assert str(assets_address(SUBNET, 9)) == "10.231.7.169"
    assert str(dynamic_range(SUBNET)) == "10.231.7.192/26"


def test_no_address_is_given_twice() -> None:
    fixed = [proxy_address(SUBNET), IPv4Address("10.231.7.1")]
    fixed += [web_address(SUBNET, slot, i + 1) for slot in SLOTS for i in range(MOST_REPLICAS)]
    fixed += [assets_address(SUBNET, k + 1) for k in range(MOST_ASSETS)]
    assert len(set(fixed)) == len(fixed)
    assert all(one in SUBNET and one not in dynamic_range(SUBNET) for one in fixed)


@pytest.mark.parametrize("index", [0, -1, 61])
def test_there_is_no_replica_outside_of_a_slot(index: int) -> None:
    with pytest.raises(ValueError, match="not from 1 to 60"):
        web_address(SUBNET, "blue", index)


def test_static_content_has_places_for_nine_releases() -> None:
    with pytest.raises(ValueError, match="not from 1 to 9"):
        assets_address(SUBNET, 10)
    with pytest.raises(ValueError, match="not from 1 to 9"):
        assets_backend(0)


def test_a_network_of_another_size_has_no_addresses() -> None:
    with pytest.raises(ValueError, match="is no /24"):
        proxy_address(IPv4Network("10.231.0.0/16"))


def test_slots_take_turns() -> None:
    assert [other_slot(slot) for slot in SLOTS] == ["green", "blue"]
    assert [slot_backend(slot) for slot in SLOTS] == ["be_blue", "be_green"]
