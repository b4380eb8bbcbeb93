"""What is removed from a host, and what never is."""

from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from builder.deploy.prune import KEPT_RECORDS, Found, Needed, find_garbage, find_needed
from builder.deploy.state import HostState
from tests.unit.records import make_image, make_release, make_state, record

RELEASES = {number: make_release(number) for number in range(1, 6)}


def make_found(**changes: Any) -> Found:
    values: dict[str, Any] = {"containers": {}, "secrets": (), "records": (), "images": set()}
    return Found(**{**values, **changes})


def served_until(number: int) -> HostState:
    """Releases from 1 on have served, one after the other."""
    done = [record(RELEASES[at], ("done", None, "")) for at in range(1, number + 1)]
    return make_state(RELEASES[number], *done)


def test_the_live_release_and_those_to_go_back_to_are_needed() -> None:
    needed = find_needed(served_until(5), 2, {"5000": "be_blue", "4000": "be_assets_1"})
    assert needed == Needed(live=5, releases={5, 4, 3}, assets={4})


def test_static_files_of_a_release_that_was_taken_back_are_needed_while_the_proxy_leads_there() -> (
    None
):
    taken_back = record(RELEASES[5], ("fail", None, "errors"), ("undone", None, ""))
    state = served_until(4)
    state = make_state(state.current, *state.releases.values(), taken_back)
    needed = find_needed(state, 1, {"4000": "be_green", "5000": "be_assets_3"})
    assert needed == Needed(live=4, releases={4, 3}, assets={5})
    found = make_found(containers={"r5-assets": ("5", "assets")}, images={make_image("5")})
    assert not find_garbage(state, needed, found)


def test_where_nothing_serves_nothing_is_needed() -> None:
    assert find_needed(make_state(None), 3, {}) == Needed(None, set(), set())


def test_containers_of_a_release_that_does_not_serve_are_removed_but_for_its_static_files() -> None:
    found = make_found(
        containers={
            "r5-web-1": ("5", "web"),
            "r5-cron": ("5", "cron"),
            "r5-job-migrate": ("5", "job"),
            "r5-assets": ("5", "assets"),
            "r4-web-1": ("4", "web"),
            "r4-cron": ("4", "cron"),
            "r4-assets": ("4", "assets"),
            "r1-assets": ("1", "assets"),
        }
    )
    garbage = find_garbage(served_until(5), Needed(5, {5, 4}, {4}), found)
    assert garbage.containers == (
        *("r1-assets", "r4-cron", "r4-web-1", "r5-assets", "r5-job-migrate"),
    )


def test_secrets_of_services_and_of_needed_releases_stay() -> None:
    found = make_found(secrets=("1", "4", "5", "incoming", "probe", "services"))
    garbage = find_garbage(served_until(5), Needed(5, {5, 4}, set()), found)
    assert garbage.secrets == ("1", "probe")


def test_images_that_a_needed_release_may_be_judged_by_stay() -> None:
    # Rolled back: the tables are those of release 3.
    live = make_release(5, image=make_image("4"), schema_image=make_image("3"))
    state = served_until(4)
    state = make_state(live, *state.releases.values(), record(live, ("done", None, "")))
    images = {make_image(digit) for digit in "134"} | {"another/shop@sha256:1"}
    garbage = find_garbage(state, Needed(5, {5}, set()), make_found(images=images))
    # Of release 2 there is none any more.
    assert garbage.images == (make_image("1"),)


def test_records_stay_until_there_are_too_many() -> None:
    count = KEPT_RECORDS + 3
    releases = [record(make_release(at), ("done", None, "")) for at in range(1, count + 1)]
    state = make_state(releases[-1].release, *releases)
    found = make_found(records=("probe", *(str(at) for at in range(1, count + 1))))
    assert find_garbage(state, Needed(count, {count, 2}, set()), found).records == (
        *("probe", "1", "3"),
    )


@given(st.integers(1, 5), st.integers(1, 4), st.sets(st.integers(1, 5)))
def test_nothing_of_a_release_that_can_be_rolled_back_to_is_ever_removed(
    live: int, keep: int, assets: set[int]
) -> None:
    state = served_until(live)
    versions = {f"{number}000": "be_assets_1" for number in assets}
    needed = find_needed(state, keep, versions)
    numbers = [str(number) for number in range(1, 6)]
    found = make_found(
        containers={f"r{number}-assets": (number, "assets") for number in numbers},
        secrets=tuple(numbers),
        records=tuple(numbers),
        images={make_image(number) for number in numbers},
    )
    garbage = find_garbage(state, needed, found)
    for release in (state.current, *state.rollback_targets[:keep]):
        assert release is not None
        assert str(release.number) not in garbage.secrets
        assert str(release.number) not in garbage.records
        assert release.image not in garbage.images
        if release.number in assets:
            assert f"r{release.number}-assets" not in garbage.containers
