"""The user's programs around a release; real programs, run where kiln.yaml is."""

import json
import os
from functools import partial
from pathlib import Path
from typing import Any

import pytest

from builder.deploy.hooks import Hooks
from builder.errors import ReleaseError
from builder.plan.release import BootWeb
from builder.process import run
from tests.unit.records import make_deploy_plan, make_image, make_release, make_stack

PLAN = make_deploy_plan(make_release(2), make_release(1), reasons=("because",))


class Folder:
    """Hooks of a test, and what they said."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.said: list[str] = []
        self.hooks = Hooks(
            path / "hooks", make_stack(), os.environ, partial(run, folder=path), self.said.append
        )
        (path / "hooks").mkdir()

    def write(self, name: str, text: str) -> None:
        program = self.path / "hooks" / name
        program.write_text(f"#!/bin/sh\n{text}\n")
        program.chmod(0o755)

    def given(self) -> Any:
        """What a hook was given that keeps its input in a file of its folder."""
        return json.loads((self.path / "given").read_text())


@pytest.fixture
def folder(tmp_path: Path) -> Folder:
    return Folder(tmp_path)


def test_a_hook_of_a_step_is_given_the_step(folder: Folder) -> None:
    folder.write("before-boot", "cat > given; echo checked; echo warned >&2")
    folder.hooks("before", BootWeb(release=2, slot="green"), 2)
    assert folder.given() == {
        "shop": "sample",
        "environment": "production",
        "moment": "before",
        "release": 2,
        "step": {"do": "boot", "release": 2, "slot": "green"},
    }
    assert folder.said == ["checked", "warned"]


def test_a_hook_of_a_step_that_fails_ends_the_release(folder: Folder) -> None:
    folder.write("after-boot", "echo no; exit 3")
    with pytest.raises(ReleaseError, match="ended with 3") as caught:
        folder.hooks("after", BootWeb(release=2, slot="green"), 2)
    assert caught.value.details == ("no",)
    assert caught.value.where.endswith("hooks/after-boot")


def test_a_hook_of_a_release_is_given_what_it_is(folder: Folder) -> None:
    folder.write("before-release", "cat > given")
    folder.hooks.begin(PLAN)
    given = folder.given()
    assert given["image"] == make_image("2")
    assert (given["release"], given["previous"], given["by"]) == (2, 1, "mia@desk")
    assert given["reasons"] == ["because"]
    assert "secrets" not in given


def test_a_release_that_is_refused_does_not_begin(folder: Folder) -> None:
    folder.write("before-release", "exit 1")
    with pytest.raises(ReleaseError, match="ended with 1"):
        folder.hooks.begin(PLAN)


def test_how_a_release_ended_is_told_to_one_of_two(folder: Folder) -> None:
    folder.write("after-release", "cat > given")
    folder.write("failed-release", "cat > given")
    folder.hooks.end(PLAN, "live", "")
    assert folder.given()["moment"] == "after"
    assert folder.given()["text"].endswith(" serves")
    folder.hooks.end(PLAN, "put back", "is unhealthy")
    given = folder.given()
    assert (given["moment"], given["outcome"], given["reason"]) == (
        *("failed", "put back", "is unhealthy"),
    )
    assert given["text"].endswith("put back: is unhealthy")


@pytest.mark.parametrize("text", ["echo late; exit 1", "kill -9 $$"])
def test_what_goes_wrong_after_a_release_changes_nothing(folder: Folder, text: str) -> None:
    folder.write("after-release", text)
    folder.hooks.end(PLAN, "live", "")
    assert "after-release: the hook ended with" in folder.said[0]


def test_a_program_that_cannot_be_run_is_said(folder: Folder) -> None:
    (folder.path / "hooks/before-release").write_text("no interpreter")
    (folder.path / "hooks/before-release").chmod(0o755)
    with pytest.raises(ReleaseError, match="cannot be run"):
        folder.hooks.begin(PLAN)


def test_what_is_not_executable_is_no_hook(folder: Folder) -> None:
    (folder.path / "hooks/before-release").write_text("#!/bin/sh\nexit 1\n")
    (folder.path / "hooks/before-boot").mkdir()
    folder.hooks.begin(PLAN)
    folder.hooks("before", BootWeb(release=2, slot="green"), 2)
    assert folder.said == []
