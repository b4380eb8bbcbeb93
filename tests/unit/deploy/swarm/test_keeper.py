"""Names in a swarm; that writes are refused to a lost lease, tests/e2e/test_swarm.py shows."""

from builder.deploy.swarm.keeper import root_name, secret_name


def test_names_say_stack_secret_and_version() -> None:
    assert secret_name("shop", "db-password", "0123456789ab") == "shop-db-password-0123456789ab"
    assert root_name("shop") == "shop-state"


def test_names_that_are_too_long_for_swarm_are_cut_and_stay_apart() -> None:
    names = {
        secret_name(stack, name, "0123456789ab")
        for stack in ("a" * 50, "a" * 51)
        for name in ("db-password", "db-password-of-another")
    }
    assert len(names) == 4
    assert all(len(name) <= 64 for name in names)
    assert len({root_name("a" * 60), root_name("a" * 61)}) == 2
