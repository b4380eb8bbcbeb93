"""Commands around the build, as a user meets them."""

import json
import os
import subprocess
from pathlib import Path

import jsonschema
import pytest
import yaml

from tests.conftest import Kiln, change_project


def test_init_writes_a_file_that_lint_accepts(kiln: Kiln, tree: Path) -> None:
    (tree / "kiln.yaml").unlink()
    assert kiln("init", cwd=tree).code == 0
    written = yaml.safe_load((tree / "kiln.yaml").read_text())
    assert "frontend/Kiln/sample" in written["static"]["themes"]
    ended = kiln("lint", "--output", "json", cwd=tree)
    assert ended.code == 0, ended.out
    assert ended.json()["magento"] == "2.4.7-p3"
    assert ended.json()["problems"] == []


def test_init_does_not_replace_a_file_unless_told_to(kiln: Kiln, tree: Path) -> None:
    before = (tree / "kiln.yaml").read_text()
    ended = kiln("init", cwd=tree)
    assert ended.code == 10
    assert "--force" in ended.err
    assert (tree / "kiln.yaml").read_text() == before
    assert kiln("init", "--force", cwd=tree).code == 0


def test_the_schema_describes_the_sample_shops_file(kiln: Kiln, tree: Path) -> None:
    schema = json.loads(kiln("schema", cwd=tree).out)
    file = yaml.safe_load((tree / "kiln.yaml").read_text())
    jsonschema.validate(file, schema)
    with pytest.raises(jsonschema.ValidationError):
        jsonschema.validate({**file, "registy": "x"}, schema)


def test_render_prints_the_dockerfile_and_a_dry_run_the_plan(kiln: Kiln, tree: Path) -> None:
    rendered = kiln("render", cwd=tree)
    assert rendered.code == 0, rendered.err
    assert "setup:static-content:deploy" in rendered.out
    plan = kiln("build", "--dry-run", "--output", "json", cwd=tree).json()
    assert plan["content_version"].isdigit()
    assert {group["name"] for group in plan["groups"]} >= {"code", "composer", "template", "view"}


def test_no_project_file_is_an_error_that_names_init(kiln: Kiln, tmp_path: Path) -> None:
    ended = kiln("build", cwd=tmp_path)
    assert ended.code == 10
    assert "kiln init" in ended.err


def test_a_build_from_the_same_inputs_runs_nothing_and_pushes_nothing(
    kiln: Kiln, tree: Path
) -> None:
    first = kiln("build", "--push", "--output", "json", cwd=tree)
    assert first.code == 0, first.err
    again = kiln("build", "--push", "--output", "json", "--tag", "again", cwd=tree).json()
    assert again["digest"] == first.json()["digest"]
    assert again["pushed"]["bytes_pushed"] == 0
    assert all(stage["cached"] for stage in again["stages"])
    named = kiln("inspect", f"{again['image'].split('@')[0]}:again", "--output", "json", cwd=tree)
    assert named.json()["digest"] == first.json()["digest"]
    (tree / "app" / "design" / "frontend" / "Kiln" / "sample" / "web" / "new.css").write_text("a{}")
    changed = kiln("build", "--output", "json", cwd=tree).json()
    assert changed["digest"] != first.json()["digest"]
    assert changed["content_version"] != first.json()["content_version"]


def test_an_image_is_signed_and_verified_by_the_configured_key(
    kiln: Kiln, tree: Path, tmp_path: Path
) -> None:
    for name in ("shop", "other"):
        subprocess.run(
            ["cosign", "generate-key-pair", "--output-key-prefix", str(tmp_path / name)],
            env={**os.environ, "COSIGN_PASSWORD": "a password"},
            check=True,
            capture_output=True,
        )
    change_project(
        tree,
        sign={
            "key": str(tmp_path / "shop.key"),
            "public_key": str(tmp_path / "shop.pub"),
            "password": {"env": "KEY_PASSWORD"},
        },
    )
    built = kiln("build", "--push", "--output", "json", cwd=tree, KEY_PASSWORD="a password")
    assert built.code == 0, built.err
    image = built.json()["image"]
    assert kiln("verify", image, cwd=tree).code == 0
    refused = kiln("verify", image, "--key", str(tmp_path / "other.pub"), cwd=tree)
    assert refused.code == 18
    assert "Traceback" not in refused.err
    wrong = kiln("build", "--push", cwd=tree, KEY_PASSWORD="another")
    assert wrong.code == 18
    assert "another" not in wrong.err
