"""The build host: `kiln doctor` and `kiln setup`, with what runs on it."""

from pathlib import Path

from tests.conftest import Kiln


def test_doctor_finds_everything_that_set_up_has_provided(kiln: Kiln, tree: Path) -> None:
    ended = kiln("doctor", "--output", "json", cwd=tree)
    assert ended.code == 0, ended.out
    checks = {check["name"]: check for check in ended.json()}
    assert set(checks) == {"engine", "builder", "registry", "base image", "disk"}
    assert all(check["ok"] for check in checks.values())
    assert "sha256:" in checks["base image"]["found"]


def test_doctor_names_what_is_missing_and_what_mends_it(kiln: Kiln, tree: Path) -> None:
    ended = kiln("doctor", "--output", "json", cwd=tree, DOCKER_HOST="unix:///nowhere.sock")
    assert ended.code == 12
    engine = next(check for check in ended.json() if check["name"] == "engine")
    assert not engine["ok"]
    assert "kiln setup" in engine["mend"]
    shown = kiln("doctor", cwd=tree, DOCKER_HOST="unix:///nowhere.sock")
    assert "MISSING" in shown.out
    assert "kiln setup" in shown.out


def test_doctor_works_outside_of_a_project(kiln: Kiln, tmp_path: Path) -> None:
    assert kiln("doctor", cwd=tmp_path).code == 0


def test_set_up_again_changes_nothing(kiln: Kiln, tree: Path) -> None:
    ended = kiln("setup", cwd=tree)
    assert (ended.code, ended.out, ended.err) == (0, "", "")
