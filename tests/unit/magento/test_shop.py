import json
import shutil
from pathlib import Path
from typing import Any

import pytest

from builder.errors import TreeError
from builder.magento.shop import Shop, inspect_shop
from builder.project.loading import load_project
from builder.project.tree import Entry, Tree
from tests.conftest import STORE


def inspect(root: Path, extra: dict[str, Any], **files: object) -> Shop:
    """The sample shop's facts with `extra` in composer.json and further JSON or patch files."""
    for name in ("composer.json", "composer.lock", "kiln.yaml", "app/etc/config.php"):
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        shutil.copyfile(STORE / name, root / name)
    composer = json.loads((root / "composer.json").read_text())
    (root / "composer.json").write_text(json.dumps({**composer, "extra": extra}))
    for name, content in files.items():
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        (root / name).write_text(content if isinstance(content, str) else json.dumps(content))
    paths = sorted(one.relative_to(root).as_posix() for one in root.rglob("*") if one.is_file())
    tree = Tree(root, tuple(Entry(path, 0, False, "") for path in paths))
    return inspect_shop(load_project(root), tree)[0]


def test_patches_that_a_patches_file_names_are_read_by_composer(tmp_path: Path) -> None:
    shop = inspect(
        tmp_path,
        {"patches-file": "patches.json"},
        **{
            "patches.json": {"patches": {"acme/kit": {"Fix": "fixes/kit.patch"}}},
            "fixes/kit.patch": "",
            "fixes/other.patch": "",
        },
    )
    assert {"patches.json", "fixes/kit.patch"} <= shop.composer_inputs
    assert "fixes/other.patch" not in shop.composer_inputs


def test_a_patches_file_that_is_not_there_is_composers_business(tmp_path: Path) -> None:
    assert "patches.json" not in inspect(tmp_path, {"patches-file": "patches.json"}).composer_inputs


def test_a_patches_file_that_is_no_json_is_named(tmp_path: Path) -> None:
    with pytest.raises(TreeError) as caught:
        inspect(tmp_path, {"patches-file": "patches.json"}, **{"patches.json": "{"})
    assert caught.value.where.startswith("patches.json")
