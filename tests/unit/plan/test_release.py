from datetime import UTC, datetime
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import TypeAdapter

from builder.plan.describe import describe_step
from builder.plan.release import (
    SPARE_PLACE,
    BootWeb,
    DeployPlan,
    Drain,
    KeepAssets,
    MigrationKind,
    Prune,
    PurgeVarnish,
    Release,
    RemoveRelease,
    SetMaintenance,
    StartServices,
    StartWorkers,
    Step,
    StopWorkers,
    Swap,
    Wish,
    free_slot,
    map_versions,
    plan_deploy,
    plan_undo,
)

DOWN = ("proxy", "database")


STEP: TypeAdapter[Step] = TypeAdapter(Step)


def make_release(number: int, version: str = "", slot: str = "blue") -> Release:
    return Release.model_validate(
        {
            "number": number,
            "image": f"registry/shop@sha256:{number:064d}",
            "content_version": version or str(1000 + number),
            "slot": slot,
            "replicas": 2,
            "consumers": ["async.operations.all"],
            "cron": True,
            "config_hash": "0" * 64,
            "variables": {"MAGE_MODE": "production"},
            "secrets": {"db-password": "0123456789ab"},
            "schema_image": f"registry/shop@sha256:{number:064d}",
            "created": datetime(2026, 11, 2, tzinfo=UTC),
            "by": "someone@somewhere",
        }
    )


def make_plan(
    new: Release | None = None,
    previous: Release | None = None,
    old: tuple[Release, ...] = (),
    assets: dict[int, Release] | None = None,
    migration: MigrationKind = "none",
    **changes: object,
) -> DeployPlan:
    values: dict[str, object] = {
        "needs_import": False,
        "reasons": ("because",),
        "secrets_of": None,
        "services_down": (),
        "services_differ": (),
        "restart_services": False,
        "proxy_differs": False,
        "backup": False,
        "varnish": (),
        "warm": ("/",),
        "watch": 30,
        "keep": 3,
        **changes,
    }
    release = new or make_release(9, slot=free_slot(previous))
    wish = Wish(release, previous, old, assets or {}, migration, **values)  # type: ignore[arg-type]
    return plan_deploy("shop-production", wish)


def kinds(plan: DeployPlan) -> list[str]:
    return [step.do for step in plan.steps]


def test_the_first_release_sets_the_database_up_and_has_nothing_to_drain() -> None:
    plan = make_plan(migration="install", services_down=DOWN)
    assert kinds(plan) == [
        *("pull", "deliver", "services", "migrate", "boot", "warm", "swap"),
        *("start-workers", "record", "prune"),
    ]
    assert plan.release.slot == "blue"
    assert not plan.needs_window
    assert not plan.needs_acceptance


def test_a_filled_database_that_no_release_serves_has_no_window_but_must_be_accepted() -> None:
    plan = make_plan(migration="destructive")
    assert not plan.needs_window
    assert plan.needs_acceptance


def test_a_plain_swap_serves_the_old_static_files_before_it_drains() -> None:
    plan = make_plan(previous=make_release(8))
    assert kinds(plan) == [
        *("pull", "deliver", "boot", "warm", "swap", "watch", "keep-assets", "drain"),
        *("stop-workers", "start-workers", "stop-web", "record", "prune"),
    ]
    assert plan.release.slot == "green"


def test_an_additive_migration_runs_while_the_old_release_serves() -> None:
    plan = make_plan(previous=make_release(8), migration="additive", backup=True)
    steps = kinds(plan)
    assert steps.index("backup") < steps.index("migrate") < steps.index("boot")
    assert not plan.needs_window


def test_a_destructive_migration_runs_while_nobody_is_served_and_nothing_works() -> None:
    plan = make_plan(previous=make_release(8), migration="destructive")
    migrate = kinds(plan).index("migrate")
    assert [step.do for step in plan.steps[2:migrate]] == ["maintenance", "drain", "stop-workers"]
    assert plan.needs_window
    after = plan.steps[migrate:]
    assert SetMaintenance(on=False) in after
    assert next(i for i, one in enumerate(after) if isinstance(one, Swap)) < after.index(
        SetMaintenance(on=False)
    )
    # Stopped once.
    assert kinds(plan).count("stop-workers") == 1


def test_only_an_import_is_no_upgrade() -> None:
    plan = make_plan(previous=make_release(8), needs_import=True)
    assert next(step for step in plan.steps if step.do == "migrate").role == "import"


@pytest.mark.parametrize("migration", ["none", "additive", "destructive"])
def test_cron_of_the_old_release_ends_before_that_of_the_new_begins(
    migration: MigrationKind,
) -> None:
    plan = make_plan(previous=make_release(8), migration=migration)
    steps = list(plan.steps)
    assert steps.index(StopWorkers(release=8)) < steps.index(StartWorkers(release=9))


def test_a_version_is_never_served_by_another_release() -> None:
    old = make_release(7, "70")
    previous = make_release(8, "80")
    plan = make_plan(make_release(9, "90", "green"), previous, (old,), {1: old})
    swap = next(one for one in plan.steps if isinstance(one, Swap))
    assert swap.versions == {"90": "be_green", "80": "be_blue", "70": "be_assets_1"}
    keep = next(one for one in plan.steps if isinstance(one, KeepAssets))
    assert keep.versions == {"90": "be_green", "80": "be_assets_2", "70": "be_assets_1"}


def test_a_release_with_the_same_static_files_needs_no_place_for_them() -> None:
    plan = make_plan(make_release(9, "80", "green"), make_release(8, "80"))
    assert "keep-assets" not in kinds(plan)
    assert plan.versions == {"80": "be_green"}


@given(
    st.lists(st.sampled_from(["10", "20", "30", "40", "50"]), min_size=2, max_size=20),
    st.integers(1, 7),
)
def test_over_many_releases_places_are_never_shared_and_never_run_out(
    versions: list[str], keep: int
) -> None:
    plan = make_plan(make_release(1, versions[0]), keep=keep)
    releases = [plan.release]
    for number, version in enumerate(versions[1:], 2):
        previous = releases[-1]
        occupied = plan.assets
        plan = make_plan(
            make_release(number, version, free_slot(previous)),
            previous,
            tuple(reversed(releases[:-1])),
            dict(occupied),
            keep=keep,
        )
        moved_in = [one for one in plan.steps if isinstance(one, KeepAssets)]
        # A container stands there until the old releases are pruned.
        assert all(one.place not in occupied for one in moved_in)
        assert all(1 <= place < SPARE_PLACE for place in plan.assets)
        served = {one.content_version for one in plan.assets.values()} | {version}
        kept = [*reversed(releases)][:keep]
        assert served == {one.content_version for one in kept} | {version}
        prune = next(one for one in plan.steps if isinstance(one, Prune))
        assert prune.keep == (number, *(one.number for one in kept))
        releases.append(plan.release)


def test_a_release_that_fails_before_the_swap_is_removed() -> None:
    plan = make_plan(previous=make_release(8))
    assert plan_undo(plan, plan.steps[:3]) == (RemoveRelease(release=9),)


def test_a_release_that_fails_after_the_swap_hands_back_and_leaves_its_static_files() -> None:
    plan = make_plan(previous=make_release(8))
    undo = plan_undo(plan, plan.steps[: kinds(plan).index("watch") + 1])
    assert [step.do for step in undo] == ["swap", "keep-assets", "drain", "stop-web"]
    assert isinstance(undo[0], Swap)
    assert (undo[0].slot, undo[0].release) == ("blue", 8)
    assert undo[2] == Drain(slot="green")


def test_whatever_was_stopped_of_the_old_release_is_started_again() -> None:
    plan = make_plan(previous=make_release(8))
    undo = plan_undo(plan, plan.steps)
    steps = list(undo)
    assert steps[0] == BootWeb(release=8, slot="blue")
    assert steps.index(StopWorkers(release=9)) < steps.index(StartWorkers(release=8))
    assert "record" in [step.do for step in steps]


def test_there_is_no_way_back_over_a_destructive_migration() -> None:
    plan = make_plan(previous=make_release(8), migration="destructive")
    at = kinds(plan).index("migrate")
    assert plan_undo(plan, plan.steps[: at + 1]) == ()
    before = plan_undo(plan, plan.steps[:at])
    assert before[-1] == RemoveRelease(release=9)
    assert SetMaintenance(on=False) in before
    assert StartWorkers(release=8) in before


def test_a_plan_survives_being_written_and_read() -> None:
    plan = make_plan(
        previous=make_release(8),
        migration="destructive",
        services_down=DOWN,
        backup=True,
    )
    assert DeployPlan.model_validate_json(plan.model_dump_json()) == plan
    for step in plan.steps:
        assert STEP.validate_json(STEP.dump_json(step)) == step
        assert describe_step(step)


def test_services_start_before_the_database_is_needed() -> None:
    plan = make_plan(previous=make_release(8), migration="additive", services_down=DOWN)
    steps = list(plan.steps)
    assert steps.index(StartServices(start=DOWN)) < kinds(plan).index("migrate")


def test_web_containers_win_over_places_with_the_same_version() -> None:
    assert map_versions((make_release(9, "80"),), {1: make_release(8, "80")}) == {"80": "be_blue"}


def test_a_restored_database_leads_back_over_a_destructive_migration() -> None:
    plan = make_plan(previous=make_release(8), migration="destructive")
    at = kinds(plan).index("migrate")
    assert plan_undo(plan, plan.steps[: at + 1], restored=True) == (
        StartWorkers(release=8),
        SetMaintenance(on=False),
        RemoveRelease(release=9),
    )


def test_fewer_kept_releases_leave_those_that_stay_in_their_places() -> None:
    old = {place: make_release(10 - place) for place in range(2, 9)}
    plan = make_plan(make_release(11, slot="green"), make_release(10), (old[2],), old, keep=2)
    assert plan.assets == {1: make_release(10), 2: old[2]}
    old = {8: make_release(9)}
    plan = make_plan(make_release(11, slot="green"), make_release(10), (old[8],), old, keep=2)
    assert plan.assets == {1: make_release(10), 8: old[8]}


def test_services_that_run_are_changed_only_when_told_to() -> None:
    differ: dict[str, Any] = {"services_differ": ("proxy",), "proxy_differs": True}
    plan = make_plan(previous=make_release(8), **differ)
    assert kinds(plan)[2] == "proxy"
    assert plan.waiting == ("proxy",)
    assert plan.restarts == ()
    told = make_plan(previous=make_release(8), restart_services=True, **differ)
    assert told.steps[2] == StartServices(restart=("proxy",))
    # It reads its configuration when it starts.
    assert "proxy" not in kinds(told)
    assert told.waiting == ()
    assert told.restarts == ("proxy",)
    assert "INTERRUPTING THE SHOP: proxy" in describe_step(told.steps[2])


def test_a_service_that_is_started_does_not_keep_the_proxy_from_its_new_configuration() -> None:
    plan = make_plan(previous=make_release(8), services_down=("queue",), proxy_differs=True)
    assert kinds(plan)[2:4] == ["services", "proxy"]


def test_varnish_forgets_old_pages_after_the_swap_and_what_the_last_requests_put_there() -> None:
    plan = make_plan(previous=make_release(8), varnish=("varnish:80",))
    steps = list(plan.steps)
    purge = PurgeVarnish(release=9, servers=("varnish:80",))
    assert steps.count(purge) == 2
    assert kinds(plan)[steps.index(purge) - 1] == "swap"
    assert kinds(plan)[len(steps) - steps[::-1].index(purge) - 2] == "drain"
    undo = list(plan_undo(plan, steps))
    back = PurgeVarnish(release=8, servers=("varnish:80",))
    assert undo.count(back) == 2
    assert isinstance(undo[undo.index(back) - 1], Swap)
    assert "purge" not in kinds(make_plan(previous=make_release(8)))


def test_varnish_is_purged_when_visitors_are_served_again() -> None:
    plan = make_plan(previous=make_release(8), migration="destructive", varnish=("varnish:80",))
    at = kinds(plan).index("purge")
    assert plan.steps[at - 1] == SetMaintenance(on=False)
