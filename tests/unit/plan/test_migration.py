import pytest

from builder.errors import ReleaseError
from builder.plan.migration import Migration, judge_migration, reverse_obstacle
from tests.unit.magento.schemas import OPEN
from tests.unit.releases import release

ID = '<column xsi:type="int" name="id" nullable="false"/>'
NOTE = '<column xsi:type="text" name="note"/>'


def schema(content: str) -> dict[str, str]:
    whitelist = '{"t": {"column": {"id": true, "note": true}}}'
    return {
        "etc/db_schema.xml": f'{OPEN}<table name="t">{content}</table></schema>',
        "etc/db_schema_whitelist.json": whitelist,
    }


PLAIN = release({"Acme_A": schema(ID)})
WIDER = release({"Acme_A": schema(ID + NOTE)})
SCHEMA_PATCH = release({"Acme_A": {**schema(ID), "Setup/Patch/Schema/Make.php": ""}})
DATA_PATCH = release({"Acme_A": {**schema(ID), "Setup/Patch/Data/Fill.php": ""}})


def test_nothing_to_do_is_none() -> None:
    assert judge_migration(PLAIN, WIDER, 0, 0) == Migration("none", False, ())
    assert judge_migration(None, PLAIN, 0, 0) == Migration("none", False, ())


def test_an_empty_database_is_installed() -> None:
    assert judge_migration(None, PLAIN, 1, 1).kind == "install"
    assert judge_migration(None, PLAIN, 1, 0).needs_import


def test_a_live_release_without_a_database_is_an_error_and_no_installation() -> None:
    with pytest.raises(ReleaseError, match="setup:db:status of the new release fails"):
        judge_migration(PLAIN, WIDER, 1, 0)


@pytest.mark.parametrize(("db_status", "config_status"), [(255, 0), (137, 2), (0, 1), (2, 255)])
def test_a_status_that_failed_is_an_error(db_status: int, config_status: int) -> None:
    with pytest.raises(ReleaseError, match="fails with exit code"):
        judge_migration(PLAIN, WIDER, db_status, config_status)


def test_what_is_added_is_made_while_the_old_release_serves() -> None:
    assert judge_migration(PLAIN, WIDER, 2, 0) == Migration(
        "additive",
        needs_import=False,
        reasons=("`t`: column `note` added: the old release need not write it",),
    )


def test_what_is_dropped_is_destructive() -> None:
    found = judge_migration(WIDER, PLAIN, 2, 2)
    assert (found.kind, found.needs_import) == ("destructive", True)
    assert [one[:28] for one in found.reasons] == ["`t`: column `note` dropped: "]
    assert found.notes == ("config.php has changed and must be imported",)


def test_a_module_that_is_turned_off_takes_its_tables_with_it() -> None:
    off = release({"Acme_A": {**schema(ID), "on": "0"}})
    found = judge_migration(PLAIN, off, 2, 0)
    assert found.kind == "destructive"
    assert found.reasons[0].startswith("`t`: table dropped")


def test_a_module_that_is_removed_leaves_its_tables() -> None:
    found = judge_migration(PLAIN, release({}), 2, 0)
    assert found.kind == "additive"
    assert found.reasons[0].startswith("`t`: table no longer declared: Magento leaves it")


def test_a_new_schema_patch_cannot_be_judged() -> None:
    found = judge_migration(PLAIN, SCHEMA_PATCH, 2, 0)
    assert found.kind == "destructive"
    assert found.reasons == (
        "the schema patch Acme\\A\\Setup\\Patch\\Schema\\Make is new, and what it does to tables "
        "cannot be judged from the outside",
    )


def test_a_changed_patch_does_not_run_again() -> None:
    changed = release({"Acme_A": {**schema(ID), "Setup/Patch/Schema/Make.php": "changed"}})
    found = judge_migration(SCHEMA_PATCH, changed, 2, 0)
    assert found.kind == "additive"
    assert "never applied" in found.reasons[0]


def test_a_new_data_patch_is_additive() -> None:
    found = judge_migration(PLAIN, DATA_PATCH, 2, 0)
    assert found.kind == "additive"
    assert found.reasons == (
        "the data patch Acme\\A\\Setup\\Patch\\Data\\Fill is new, and writes rows before the new "
        "release serves",
    )


def test_a_database_that_is_behind_equal_releases_is_additive() -> None:
    found = judge_migration(PLAIN, PLAIN, 2, 0)
    assert found.kind == "additive"
    assert "declare the same tables" in found.reasons[0]


def test_an_unknown_database_that_is_behind_is_destructive() -> None:
    assert judge_migration(None, PLAIN, 2, 0).kind == "destructive"


@pytest.mark.parametrize(
    ("script", "old", "new", "kind"),
    [
        ("InstallSchema", None, "1.0.0", "destructive"),
        ("InstallSchema", "1.0.0", "1.0.1", "additive"),
        ("UpgradeSchema", None, "1.0.0", "destructive"),
        ("UpgradeSchema", "1.0.0", "1.0.1", "destructive"),
        ("UpgradeSchema", "1.0.0", "1.0.0", "additive"),
        ("UpgradeSchema", "1.0.0", None, "additive"),
        ("UpgradeData", "1.0.0", "1.0.1", "additive"),
        ("InstallData", None, "1.0.0", "additive"),
    ],
)
def test_old_style_scripts_run_with_another_version(
    script: str, old: str | None, new: str | None, kind: str
) -> None:
    before, after = (
        release({"Acme_A": {f"Setup/{script}.php": "", **({"version": one} if one else {})}})
        for one in (old, new)
    )
    found = judge_migration(before, after, 2, 0)
    assert found.kind == kind
    runs = kind == "destructive" or script.endswith("Data")
    assert found.reasons[0].startswith(f"{script}.php of Acme_A runs") == runs


@pytest.mark.parametrize(
    ("script", "kind"), [("Recurring", "destructive"), ("RecurringData", "additive")]
)
def test_recurring_scripts_run_each_time_and_count_when_they_are_new_or_changed(
    script: str, kind: str
) -> None:
    none, one, other = (
        release({"Acme_A": {f"Setup/{script}.php": text} if text else {}})
        for text in ("", "one", "other")
    )
    for before, why in ((none, "is new"), (one, "has changed")):
        found = judge_migration(before, other, 2, 0)
        assert found.kind == kind
        assert found.reasons[0].startswith(f"{script}.php of Acme_A {why}")
    assert "declare the same tables" in judge_migration(one, one, 2, 0).reasons[0]


def test_a_script_that_nothing_asks_for_is_noted() -> None:
    one, other = (release({"Acme_A": {"Setup/Recurring.php": text}}) for text in ("one", "other"))
    found = judge_migration(one, other, 0, 0)
    assert found.kind == "none"
    assert found.notes == (
        "Recurring.php of Acme_A has changed; it runs with the next setup:upgrade, not now",
    )


def test_a_module_that_is_not_found_cannot_be_judged() -> None:
    hidden = release({"Acme_A": {**schema(ID), "at": "vendor/acme/a"}, "Acme_B": {}})
    found = judge_migration(
        hidden, release({"Acme_A": {**schema(ID)}, "Acme_B": {"registration.php": "<?php"}}), 2, 0
    )
    assert found.kind == "destructive"
    assert found.reasons[0].startswith("Acme_B is on in the new release, but its files")


EN = "'en' => ['store_id' => '2', 'code' => 'en']"
ENGLISH = f"'stores' => [{EN}]"
GERMAN = f"'stores' => ['de' => ['store_id' => '1', 'code' => 'de'], {EN}]"
RENAMED = f"'stores' => ['at' => ['store_id' => '1', 'code' => 'at'], {EN}]"


def test_a_changed_configuration_is_imported_while_the_old_release_serves() -> None:
    found = judge_migration(PLAIN, PLAIN, 0, 2)
    assert found == Migration(
        "none",
        needs_import=True,
        reasons=("config.php has changed and must be imported",),
    )


@pytest.mark.parametrize(
    ("old", "new", "kind"),
    [
        (GERMAN, GERMAN, "none"),
        (ENGLISH, GERMAN, "none"),
        (GERMAN, RENAMED, "none"),
        (GERMAN, "", "none"),
        (GERMAN, ENGLISH, "destructive"),
    ],
)
def test_a_store_view_that_the_import_deletes_is_destructive(old: str, new: str, kind: str) -> None:
    found = judge_migration(release({}, old), release({}, new), 0, 2)
    assert found.kind == kind
    if kind == "destructive":
        assert found.reasons[0].startswith("config.php no longer has `de` among its stores")


def test_what_an_import_deletes_of_an_unknown_database_is_not_known() -> None:
    assert judge_migration(None, release({}, GERMAN), 0, 2).kind == "destructive"
    assert judge_migration(None, release({}), 0, 2).kind == "none"


def test_an_older_release_runs_on_what_was_only_added() -> None:
    assert reverse_obstacle(WIDER, PLAIN) == ()
    assert reverse_obstacle(DATA_PATCH, PLAIN) == ()
    assert reverse_obstacle(PLAIN, PLAIN) == ()


def test_an_older_release_does_not_run_without_what_was_dropped() -> None:
    (reason,) = reverse_obstacle(PLAIN, WIDER)
    assert reason.startswith("`t`: column `note` dropped")
    (reason,) = reverse_obstacle(SCHEMA_PATCH, PLAIN)
    assert "cannot be judged" in reason
    (reason,) = reverse_obstacle(release({}, ENGLISH), release({}, GERMAN))
    assert "no longer has `de`" in reason


def test_what_was_dangerous_only_while_it_was_made_is_no_obstacle() -> None:
    key = (
        '<constraint xsi:type="foreign" referenceId="K" column="id" referenceTable="p" '
        'referenceColumn="id"/>'
    )
    small = release({"Acme_A": schema(ID + key)})
    big = release({"Acme_A": schema(ID.replace('"int"', '"bigint"') + key)})
    assert judge_migration(small, big, 2, 0).kind == "destructive"
    assert reverse_obstacle(big, small) == ()
