from pathlib import Path

from builder.build.ran import Ran, read_ran, remember_ran
from builder.plan.explain import BuildNames, name_build, stage_keys
from builder.render.dockerfile import render_build
from tests.unit.plans import make_plan


def names(version: str = "1") -> BuildNames:
    rendered = render_build(make_plan())
    return name_build(make_plan(), rendered.support, rendered.dockerfile, version)


def test_what_has_run_is_read_as_it_was_written(tmp_path: Path) -> None:
    assert read_ran(tmp_path) == Ran(None, ())
    remember_ran(tmp_path, names())
    assert read_ran(tmp_path) == Ran(names(), tuple(stage_keys(names()).values()))
    assert [path.name for path in tmp_path.iterdir()] == ["ran.json.zst"]


def test_a_failed_build_adds_what_was_done_and_is_not_the_last_one(tmp_path: Path) -> None:
    remember_ran(tmp_path, names())
    # Of `runtime` no more than its last step, which needs none of the others.
    remember_ran(tmp_path, names("2"), finished={"php", "tools", "finish", "runtime"})
    ran = read_ran(tmp_path)
    assert ran.last == names()
    assert ran.keys[-1] == stage_keys(names("2"))["finish"]
    assert stage_keys(names("2"))["runtime"] not in ran.keys
    assert set(stage_keys(names()).values()) < set(ran.keys)


def test_a_damaged_file_is_none(tmp_path: Path) -> None:
    (tmp_path / "ran.json.zst").write_bytes(b"half")
    assert read_ran(tmp_path) == Ran(None, ())
