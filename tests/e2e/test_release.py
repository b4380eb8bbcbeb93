"""A release under load: no request fails, no write is lost, none is done twice."""

import time

import pytest

from tests.e2e.systems import TIMEOUTS, Images, System, assert_unharmed, under_load


def test_visitors_go_over_to_another_image_without_a_failed_request(
    system: System, images: Images
) -> None:
    before = system.current
    ended, result = under_load(system, lambda: system.deploy(images.second))
    assert ended.code == 0, ended.err
    assert_unharmed(system, result)
    assert len(result.versions) == 2
    assert "second release" in system.get().text
    assert system.current == before + 1
    # Nothing of the old release is left but its static files.
    assert system.names(release=str(before)) == [f"r{before}-assets"]


def test_a_rollback_brings_the_old_image_back_without_a_failed_request(
    system: System, images: Images
) -> None:
    if "second release" not in system.get().text:
        assert system.deploy(images.second).code == 0
    ended, result = under_load(system, lambda: system("rollback", system.name))
    assert ended.code == 0, ended.err
    assert_unharmed(system, result)
    assert "second release" not in system.get().text


@pytest.mark.parametrize("kind", ["unhealthy", "crashing", "failing"])
def test_an_image_that_is_no_good_never_serves_a_visitor(
    system: System, images: Images, kind: str
) -> None:
    before, page = system.current, system.get().text
    if kind == "crashing":
        # It must be watched for longer than it lives.
        system.change(timeouts={**TIMEOUTS, "stable": 7})
    ended, result = under_load(system, lambda: system.deploy(getattr(images, kind)))
    system.change(timeouts=TIMEOUTS)
    assert ended.code == 21, ended.err
    assert f"release {before} serves" in ended.err
    assert_unharmed(system, result)
    assert system.current == before
    assert system.get().text == page
    assert {one.partition("-")[0] for one in system.names() if one.startswith("r")} <= {
        f"r{before}",
        # Static files of the release before.
        *(name.partition("-")[0] for name in system.names(role="assets")),
    }
    assert system.names(role="web") == [f"r{before}-web-1", f"r{before}-web-2"]


def test_the_static_files_of_an_old_page_are_served_after_the_swap(
    system: System, images: Images
) -> None:
    page = system.get().text
    other = images.first if "second release" in page else images.second
    asset = page.partition('href="')[2].partition('"')[0]
    assert asset.startswith("/static/version")
    content = system.get(asset).content
    assert system.deploy(other).code == 0
    served = system.get(asset)
    assert (served.status_code, served.content) == (200, content)
    assert asset not in system.get().text
    unknown = system.get("/static/version1/frontend/Kiln/sample/en_US/css/styles.css")
    assert unknown.status_code == 404


def test_a_plan_names_every_step_and_changes_nothing(system: System, images: Images) -> None:
    before = system.current, system.names()
    planned = system("plan", system.name, images.second, "--output", "json")
    assert planned.code == 0, planned.err
    steps = [step["do"] for step in planned.json()["steps"]]
    assert steps[:2] == ["pull", "deliver"]
    assert steps[-2:] == ["record", "prune"]
    assert steps.index("warm") < steps.index("swap") < steps.index("drain")
    assert (system.current, system.names()) == before


def test_two_releases_at_once_are_one_and_a_word_about_who_has_the_lock(
    system: System, images: Images
) -> None:
    first = system.start("deploy", system.name, images.second, "--force")
    until = time.monotonic() + 60
    while not system.locked:
        assert time.monotonic() < until
        time.sleep(0.05)
    second = system.deploy(images.first)
    _, err = first.communicate(timeout=600)
    assert first.returncode == 0, err
    assert second.code == 22, second.err
    assert str(first.pid) in second.err
    assert "kiln deploy production" in second.err
