"""When a deploy has nothing to do."""

from typing import Any

import pytest

from builder.plan.release import (
    BootWeb,
    ConfigureProxy,
    Migrate,
    StartServices,
    Step,
    is_needless,
)
from tests.unit.records import make_deploy_plan, make_image, make_release

IMAGE = make_image("a")
LIVE = make_release(1, image=IMAGE, content_version="10")


def make_next(**changes: Any) -> Any:
    return make_release(2, **{"image": IMAGE, "content_version": "10", **changes})


def test_the_same_again_is_needless() -> None:
    assert is_needless(make_deploy_plan(make_next(), LIVE))


def test_what_a_rollback_brought_is_the_same_as_what_it_brought_back() -> None:
    live = LIVE.model_copy(update={"rolled_back_to": 7})
    assert is_needless(make_deploy_plan(make_next(), live))


def test_a_first_release_is_not_needless() -> None:
    assert not is_needless(make_deploy_plan(make_next()))


@pytest.mark.parametrize(
    "changes",
    [
        {"image": make_image("b")},
        {"config_hash": "d" * 64},
        {"secrets": {"db-password": "another"}},
        {"variables": {}},
        {"replicas": 3},
        {"cron": False},
        {"consumers": ("async.operations.all",)},
    ],
)
def test_whatever_differs_is_to_be_released(changes: dict[str, Any]) -> None:
    assert not is_needless(make_deploy_plan(make_next(**changes), LIVE))


@pytest.mark.parametrize(
    "step", [StartServices(), ConfigureProxy(), Migrate(release=2, role="import")]
)
def test_what_a_plan_changes_beside_the_release_is_to_be_done(step: Step) -> None:
    steps = (BootWeb(release=2, slot="green"), step)
    assert not is_needless(make_deploy_plan(make_next(), LIVE, steps))
