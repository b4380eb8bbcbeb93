"""What `kiln build --explain` says will run is what then runs."""

import uuid
from pathlib import Path

from tests.conftest import Kiln, change_project

MODULE = Path("app/code/Kiln/Sample")
TEMPLATE = MODULE / "view/frontend/templates/home.phtml"
STYLE = Path("app/design/frontend/Kiln/sample/web/css/source/_theme.less")
BODY = MODULE / "Model/Greeting.php"
SCRIPT = MODULE / "view/frontend/web/js/sample.js"
SAMPLE, BACKEND = "frontend/Kiln/sample", "adminhtml/Magento/backend"

Said = dict[str, dict[str, object]]


def explain(kiln: Kiln, tree: Path) -> Said:
    ended = kiln("build", "--explain", "--output", "json", cwd=tree)
    assert ended.code == 0, ended.err
    return {one["stage"]: one for one in ended.json()["stages"]}


def ran(kiln: Kiln, tree: Path) -> set[str]:
    """The stages that a build ran anything of."""
    ended = kiln("build", "--output", "json", cwd=tree)
    assert ended.code == 0, ended.err
    return {stage["name"] for stage in ended.json()["stages"] if not stage["cached"]}


def expected(said: Said) -> set[str]:
    return {name for name, one in said.items() if one["state"] == "runs"}


def append(path: Path, line: str) -> None:
    path.write_text(f"{path.read_text()}\n{line}\n")


def test_what_is_said_to_run_runs_and_nothing_else(own: Kiln, tree: Path) -> None:
    # What no build of this engine has seen before, from code on, nor what is deployed of it.
    salt = uuid.uuid4().hex
    append(tree / BODY, f"// {salt}")
    append(tree / SCRIPT, f'window.salt = "{salt}";')
    first = explain(own, tree)
    assert {one["state"] for one in first.values()} == {"runs"}
    nothing = {"kind": "build", "what": "no build before on this host", "how": ""}
    assert all(one["causes"] == [nothing] for one in first.values())
    assert not list(own.cache.rglob("index.json")), "it has built something"
    ran(own, tree)

    said = explain(own, tree)
    assert expected(said) == ran(own, tree) == set()

    append(tree / TEMPLATE, f"<!-- {salt} -->")
    said = explain(own, tree)
    assert expected(said) == ran(own, tree) == {"finish", "runtime"}
    template = {"kind": "file", "what": str(TEMPLATE), "how": "changed"}
    assert template in said["runtime"]["causes"]  # type: ignore[operator]

    append(tree / STYLE, f"// {salt}")
    said = explain(own, tree)
    static = {name for name in said if name.startswith("static-")}
    assert f"{STYLE} changed" in own("build", "--explain", cwd=tree).out
    of_theme = {name for name in static if name.startswith("static-frontend.kiln.sample-")}
    assert of_theme < static
    assert expected(said) == ran(own, tree) == {*of_theme, "finish", "runtime"}

    body = (tree / BODY).read_text()
    append(tree / BODY, "// changed")
    said = explain(own, tree)
    runs = {"code", "sources", "compiled", "view", *static, "finish", "runtime"}
    assert expected(said) == ran(own, tree) == runs

    change_project(
        tree, static={"themes": {SAMPLE: ["en_US", "de_DE", "fr_FR"], BACKEND: ["en_US"]}}
    )
    said = explain(own, tree)
    new = "static-frontend.kiln.sample-fr_fr"
    assert expected(said) == ran(own, tree) == {new, "shared", "finish", "runtime"}

    # As it was three builds before, in a part of the tree: BuildKit remembers, and so does Kiln.
    (tree / BODY).write_text(body)
    said = explain(own, tree)
    assert expected(said) == ran(own, tree) == {new, "finish", "runtime"}


def test_what_a_failed_build_has_done_is_not_said_to_run_again(own: Kiln, tree: Path) -> None:
    append(tree / BODY, f"// {uuid.uuid4().hex}")
    change_project(tree, hooks={"before_compile": ["exit 7"]})
    assert own("build", cwd=tree).code == 14
    said = explain(own, tree)
    assert (said["vendor"]["state"], said["code"]["state"]) == ("cached", "runs")
