import subprocess
from pathlib import Path

import pytest

from builder.errors import TreeError
from builder.magento.release_files import RELEASE_FILES, read_release_files
from tests.unit.magento.schemas import OPEN
from tests.unit.releases import release, release_files

STORE = Path(__file__).parent.parent.parent / "store"


def test_facts_come_from_the_modules_that_are_on_wherever_they_are() -> None:
    found = release(
        {
            "Acme_Vendor": {
                "at": "vendor/acme/module-vendor",
                "Setup/Patch/Data/Fill.php": "",
                "Setup/Patch/Schema/Make.php": "",
                "Setup/Recurring.php": "again",
                "etc/cache.xml": '<config><type name="acme"/></config>',
                "etc/db_schema.xml": f'{OPEN}<table name="acme"/></schema>',
                "version": "1.0.0",
            },
            "Acme_Code": {"etc/db_schema.xml": f'{OPEN}<table name="code"/></schema>'},
        },
    )
    assert list(found.modules.directories.items()) == [
        ("Acme_Vendor", "vendor/acme/module-vendor"),
        ("Acme_Code", "app/code/Acme/Code"),
    ]
    assert list(found.schema.tables) == ["acme", "code"]
    assert found.schema_patches == ("Acme\\Vendor\\Setup\\Patch\\Schema\\Make",)
    assert found.data_patches == ("Acme\\Vendor\\Setup\\Patch\\Data\\Fill",)
    assert list(found.scripts) == [("Acme_Vendor", "Recurring")]
    assert found.cache_types == {"acme"}
    assert found.setup_versions == {"Acme_Vendor": "1.0.0"}


def test_a_module_that_is_off_declares_nothing_but_lets_its_tables_be_dropped() -> None:
    found = release(
        {
            "Acme_Off": {
                "on": "0",
                "etc/db_schema.xml": f'{OPEN}<table name="acme"/></schema>',
                "etc/db_schema_whitelist.json": '{"acme": {"column": {"id": true}}}',
                "etc/cache.xml": '<config><type name="acme"/></config>',
                "Setup/Patch/Data/Fill.php": "",
                "Setup/Recurring.php": "",
                "version": "1.0.0",
            }
        }
    )
    assert found.schema.tables == {}
    assert ("acme",) in found.schema.droppable
    assert not found.cache_types
    assert not found.data_patches
    assert not found.scripts
    assert not found.setup_versions


def test_magentos_own_tables_are_merged_last() -> None:
    files = release_files({"Acme_A": {"etc/db_schema.xml": f'{OPEN}<table name="t"/></schema>'}})
    files["app/etc/db_schema.xml"] = f'{OPEN}<table name="t" comment="app"/></schema>'.encode()
    assert read_release_files(files).schema.tables["t"].comment == "app"


def test_patches_and_scripts_count_where_magento_looks_for_them_only() -> None:
    found = release(
        {
            "Acme_A": {
                "Setup/Patch/Data/Deep/Fill.php": "",
                "Setup/Patch/Fill.php": "",
                "Test/Setup/Recurring.php": "",
                "Setup/Patch/Data/notes.txt": "",
            }
        }
    )
    assert not found.data_patches
    assert not found.scripts


def test_a_module_without_files_is_missing() -> None:
    files = release_files({"Acme_A": {}})
    del files["app/code/Acme/A/registration.php"]
    assert read_release_files(files).modules.missing == {"Acme_A"}


def test_an_image_without_config_php_is_refused() -> None:
    with pytest.raises(TreeError, match=r"no app/etc/config\.php"):
        read_release_files({})


def test_the_sample_shop_is_read_by_what_find_finds() -> None:
    patterns = [part for pattern in RELEASE_FILES for part in ("-o", "-path", pattern)][1:]
    done = subprocess.run(
        ["find", ".", "-type", "f", "(", *patterns, ")"],
        cwd=STORE,
        capture_output=True,
        text=True,
        check=True,
    )
    found = read_release_files({path: (STORE / path).read_bytes() for path in done.stdout.split()})
    assert found.modules.missing == frozenset()
    assert "Kiln_Sample" in found.modules.directories
    assert {"patch_list", "store", "kiln_sample_note"} <= set(found.schema.tables)
    assert ("kiln_sample_note", "column", "note_id") in found.schema.droppable
    assert found.schema_patches == (
        "Magento\\Store\\Setup\\Patch\\Schema\\InitializeStoresAndWebsites",
    )
    assert "Kiln\\Sample\\Setup\\Patch\\Data\\WelcomeNote" in found.data_patches
