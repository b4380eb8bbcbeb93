"""The release of a real Magento, from an empty database on: MAGENTO_SOURCE, `make test-magento`.

It runs without a search engine, so the modules that need one are off.
"""

import os
import shutil
from collections.abc import Iterator, Mapping
from functools import partial
from pathlib import Path
from typing import Any

import docker
import pytest
import yaml

from builder.magento.php_array import read_php_file
from builder.magento.php_export import export_php_file
from tests.conftest import Kiln
from tests.e2e.systems import (
    TIMEOUTS,
    Images,
    System,
    assert_unharmed,
    build_image,
    image_of,
    run_environment,
    under_load,
)
from tests.load.count import SUBSCRIPTIONS
from tests.load.plan import Kind

pytestmark = pytest.mark.magento

SEARCH_MODULES = (
    "Magento_OpenSearch",
    "Magento_Elasticsearch7",
    "Magento_Elasticsearch",
    "Magento_InventoryElasticsearch",
)
PAGES = ("/", "/customer/account/login/", "/checkout/cart/")
# Requests before, and again after what is tested; MAGENTO_CALM for a longer run.
CALM = int(os.environ.get("MAGENTO_CALM", "200"))
SETTINGS = {
    "web/seo/use_rewrites": 1,
    # There is no mail server.
    "system/smtp/disable": 1,
}

NEXT = {
    "registration.php": """<?php
use Magento\\Framework\\Component\\ComponentRegistrar;
ComponentRegistrar::register(ComponentRegistrar::MODULE, 'Acme_Next', __DIR__);
""",
    "etc/module.xml": """<?xml version="1.0"?>
<config>
    <module name="Acme_Next"><sequence><module name="Magento_Quote"/></sequence></module>
</config>
""",
    "etc/db_schema.xml": """<?xml version="1.0"?>
<schema>
    <table name="quote" resource="checkout" engine="innodb">
        <column xmlns:xsi="http://www.w3.org/2001/XMLSchema-instance" xsi:type="varchar"
                name="acme_note" nullable="true" length="64" comment="Note"/>
    </table>
</schema>
""",
    "etc/db_schema_whitelist.json": '{"quote": {"column": {"acme_note": true}}}\n',
    "Setup/Patch/Data/NameShop.php": """<?php
declare(strict_types=1);

namespace Acme\\Next\\Setup\\Patch\\Data;

use Magento\\Framework\\App\\Config\\Storage\\WriterInterface;
use Magento\\Framework\\Setup\\Patch\\DataPatchInterface;

class NameShop implements DataPatchInterface
{
    public function __construct(private WriterInterface $config)
    {
    }

    public function apply()
    {
        $this->config->save('general/store_information/name', 'Next');
        return $this;
    }

    public static function getDependencies()
    {
        return [];
    }

    public function getAliases()
    {
        return [];
    }
}
""",
}


@pytest.fixture(scope="module")
def tree(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A copy of the real tree that runs without a search engine."""
    source = os.environ.get("MAGENTO_SOURCE")
    assert source, "set MAGENTO_SOURCE to a complete Magento tree"
    tree = tmp_path_factory.mktemp("magento") / "shop"
    # Files share their bytes with the source; those that are changed are written anew.
    shutil.copytree(source, tree, symlinks=True, copy_function=os.link)
    project = {
        "name": f"kiln-test-magento-{os.getpid()}",
        "php": {"extensions": ["redis"]},
        "static": {
            "themes": {
                "frontend/Magento/blank": ["en_US"],
                "frontend/Magento/luma": ["en_US"],
                "adminhtml/Magento/backend": ["en_US"],
            }
        },
    }
    replace(tree / "kiln.yaml", yaml.safe_dump(project))
    change_modules(tree, dict.fromkeys(SEARCH_MODULES, 0))
    return tree


def replace(path: Path, text: str) -> None:
    path.unlink(missing_ok=True)
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text)


def change_modules(tree: Path, modules: Mapping[int | str, int]) -> None:
    """Switch modules on and off in config.php."""
    path = tree / "app/etc/config.php"
    config = read_php_file(path.read_bytes(), path.name).value
    listed = config["modules"]
    assert isinstance(listed, dict)
    replace(path, export_php_file({**config, "modules": {**listed, **modules}}))


@pytest.fixture(scope="module")
def images(kiln: Kiln, tree: Path) -> Images:
    """The shop, and its next release: one more column, and a data patch."""
    first = build_image(kiln, tree)
    for path, text in NEXT.items():
        replace(tree / "app/code/Acme/Next" / path, text)
    change_modules(tree, {"Acme_Next": 1})
    second = build_image(kiln, tree)
    return Images(tree, first, second, unhealthy="", crashing="", failing="")


@pytest.fixture(scope="module")
def system(kiln: Kiln, engine: docker.DockerClient, tree: Path, images: Images) -> Iterator[System]:
    with run_environment(
        kiln,
        engine,
        tree,
        "production",
        settings=SETTINGS,
        warm=list(PAGES),
        timeouts={**TIMEOUTS, "boot": 300, "watch": 10, "stable": 5},
        web={"replicas": 2, "max_children": 4},
    ) as system:
        path = tree / "environments/production.yaml"
        file = yaml.safe_load(path.read_text())
        file["services"]["page_cache"] = {"host": "cache", "database": 1}
        path.write_text(yaml.safe_dump(file))
        system.done("deploy", system.name, images.first)
        yield system


# Visitors that read pages and subscribe to the newsletter.
LOAD: dict[str, Any] = {
    "requests": 1_000_000,
    "seconds": 3600,
    "rate": 15,
    "mix": ((Kind.PAGE, 3), (Kind.STATIC, 5), (Kind.SUBSCRIBE, 1)),
    "pages": PAGES,
    "timeout_s": 60,
}


def columns(system: System) -> str:
    return system.sql("SHOW COLUMNS FROM quote LIKE 'acme_note'")


def test_the_first_deploy_installs_the_shop(system: System) -> None:
    assert "Home" in system.get("/").text
    assert 'name="login[username]"' in system.get("/customer/account/login/").text
    assert "Shopping Cart" in system.get("/checkout/cart/").text
    assert columns(system) == ""


def test_a_release_with_a_new_column_goes_forward_back_and_forward(
    system: System, images: Images
) -> None:
    for command, image in (
        (("deploy", system.name, images.second), images.second),
        (("rollback", system.name), images.first),
        (("deploy", system.name, images.second), images.second),
    ):
        ended, result = under_load(system, partial(system, *command), CALM, **LOAD)
        assert ended.code == 0, ended.err
        print(command[0], result.figures(), len(result.acknowledged), "subscribers")
        assert_unharmed(system, result, SUBSCRIPTIONS)
        assert image_of(system) == image
        assert columns(system) != ""
    name = "SELECT value FROM core_config_data WHERE path = 'general/store_information/name'"
    assert system.sql(name) == "Next"
