from pathlib import Path

import pytest

from builder.magento.shop import Platform
from builder.plan.development import (
    DevelopmentPlan,
    Ports,
    ShopState,
    install_options,
    known_options,
    next_step,
    port_block,
    reported_database,
    search_modules,
    stack_name,
)
from tests.unit.plans import make_development_plan


def test_a_stack_is_named_after_its_tree_alone() -> None:
    one, other = (stack_name("my.shop", Path(f"/work/{name}")) for name in ("a", "b"))
    assert one == stack_name("my.shop", Path("/work/a"))
    assert one != other
    assert one.startswith("my-shop-dev-")


def test_blocks_of_ports_do_not_overlap_and_the_kernel_does_not_give_them_out() -> None:
    blocks = {port_block("shop", attempt) for attempt in range(1000)}
    assert len(blocks) == 1000
    assert {first % 10 for first in blocks} == {0}
    assert min(blocks) >= 20000
    assert max(Ports.block(max(blocks)).all()) < 30000


@pytest.mark.parametrize(
    ("edition", "version", "reported"),
    [
        ("community", "2.4.7-p3", "10.6.18-MariaDB"),
        ("community", "2.4.8", "11.4.18-MariaDB"),
        ("mage-os", "1.0.4", "10.6.18-MariaDB"),
    ],
)
def test_the_database_gives_itself_out_as_one_that_magento_knows(
    edition: str, version: str, reported: str
) -> None:
    assert reported_database(Platform(edition, version, "8.2", (), "bookworm")) == reported


def test_search_modules_are_found_by_their_folders(tmp_path: Path) -> None:
    for folder in (
        "vendor/magento/module-open-search",
        "vendor/magento/module-elasticsearch-7",
        "vendor/magento/module-elasticsearch",
        "app/code/Magento/InventoryElasticsearch",
    ):
        (tmp_path / folder).mkdir(parents=True)
    assert search_modules(tmp_path) == (
        "Magento_OpenSearch",
        "Magento_Elasticsearch7",
        "Magento_Elasticsearch",
        "Magento_InventoryElasticsearch",
    )


def options(plan: DevelopmentPlan, disabled: tuple[str, ...] = (), anew: bool = False) -> str:
    return " ".join(install_options(plan, disabled, anew=anew))


def test_passwords_stand_in_no_command_line() -> None:
    text = options(make_development_plan())
    for option in ("--db-password=@", "--amqp-password=@", "--admin-password=@", "--key=@"):
        assert option in text


def test_without_a_search_engine_its_modules_are_disabled() -> None:
    text = options(make_development_plan(), ("Magento_OpenSearch",))
    assert "--disable-modules=Magento_OpenSearch" in text
    assert "--search-engine" not in text


def test_a_named_search_engine_is_used() -> None:
    text = options(make_development_plan(images={"search": "opensearch:2"}))
    assert "--search-engine=opensearch --opensearch-host=search" in text
    assert "--disable-modules" not in text


def test_only_an_installation_that_was_killed_empties_the_database() -> None:
    assert "--cleanup-database" not in options(make_development_plan())
    assert "--cleanup-database" in options(make_development_plan(), anew=True)


def test_only_options_that_the_shop_knows_are_given() -> None:
    help_text = "  --db-host=DB-HOST   Server\n  --db-host-more=X\n  -s, --skip-db-validation\n"
    given = ("--db-host=database", "--amqp-host=queue", "--skip-db-validation")
    assert known_options(given, help_text) == ("--db-host=database", "--skip-db-validation")


READY = {
    "has_env": True,
    "ours": True,
    "installed": True,
    "tables": 9,
    "database": 0,
    "configuration": 0,
}


@pytest.mark.parametrize(
    ("changes", "step"),
    [
        ({}, "ready"),
        ({"has_env": False, "ours": False, "installed": False, "tables": 0}, "install"),
        ({"tables": 0}, "install"),
        ({"installed": False}, "install"),
        ({"interrupted": True}, "reinstall"),
        ({"ours": False, "database": None, "configuration": None}, "configure"),
        ({"database": 2, "configuration": None}, "upgrade"),
        ({"configuration": 2}, "import"),
        ({"database": 1, "configuration": None}, "broken"),
        ({"database": 255, "configuration": None}, "broken"),
        ({"configuration": 1}, "broken"),
    ],
)
def test_the_next_step_is_what_the_state_asks_for(changes: dict[str, object], step: str) -> None:
    assert next_step(ShopState(**{**READY, **changes})) == step  # type: ignore[arg-type]
