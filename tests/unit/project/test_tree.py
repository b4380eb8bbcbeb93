import os
from pathlib import Path

import pytest

from builder.errors import TreeError
from builder.project import tree
from builder.project.tree import HashIndex, Tree, scan_tree


@pytest.fixture
def root(tmp_path: Path) -> Path:
    root = tmp_path / "shop"
    (root / "app" / "größe und maß").mkdir(parents=True)
    (root / "app" / "größe und maß" / "a b.php").write_text("<?php")
    (root / "run").write_text("#!/bin/sh")
    (root / "run").chmod(0o755)
    return root


def scan(root: Path, *excluded: str) -> Tree:
    return scan_tree(root, lambda path: path in excluded, HashIndex(root.parent / "index.json"))


def test_files_with_spaces_and_unicode_are_found(root: Path) -> None:
    assert [entry.path for entry in scan(root).entries] == ["app/größe und maß/a b.php", "run"]


def test_of_the_mode_only_the_execute_bit_counts(root: Path) -> None:
    before = scan(root)
    (root / "app" / "größe und maß" / "a b.php").chmod(0o600)
    assert scan(root).entries == before.entries
    assert [entry.executable for entry in before.entries] == [False, True]


def test_an_excluded_folder_is_not_entered(root: Path) -> None:
    assert [entry.path for entry in scan(root, "app/").entries] == ["run"]


def test_a_link_within_the_tree_stays_a_link(root: Path) -> None:
    (root / "link").symlink_to("app")
    (link,) = (entry for entry in scan(root).entries if entry.path == "link")
    assert link.target == "app"


@pytest.mark.parametrize("target", ["../outside", "/etc/passwd", "app/../../x"])
def test_a_link_that_leaves_the_tree_is_refused_and_named(root: Path, target: str) -> None:
    (root / "link").symlink_to(target)
    with pytest.raises(TreeError, match=r"link: the link to .* leaves the tree"):
        scan(root)


def test_a_link_through_another_link_out_of_the_tree_is_refused(root: Path) -> None:
    (root.parent / "outside").mkdir()
    (root / "app" / "up").symlink_to("../..")
    with pytest.raises(TreeError):
        scan(root)


def test_a_pipe_is_refused_and_named(root: Path) -> None:
    os.mkfifo(root / "pipe")
    with pytest.raises(TreeError, match="pipe: is a socket, pipe or device"):
        scan(root)


def test_a_name_that_is_not_utf8_is_refused(root: Path) -> None:
    Path(os.fsdecode(os.fsencode(root) + b"/\xff.php")).write_text("")
    with pytest.raises(TreeError, match="is not UTF-8"):
        scan(root)


def test_a_changed_content_is_seen_although_size_and_mtime_are_as_before(
    root: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(tree, "_SETTLED_NS", -(10**12))
    file = root / "run"
    os.utime(file, (1_000_000_000, 1_000_000_000))
    before = scan(root)
    assert "run" in (root.parent / "index.json").read_text()
    file.write_text("#!/bin/ab")
    os.utime(file, (1_000_000_000, 1_000_000_000))
    assert scan(root).entries != before.entries


def test_a_file_that_has_just_changed_is_not_remembered(root: Path) -> None:
    scan(root)
    assert not (root.parent / "index.json").exists()


@pytest.mark.parametrize("damage", ["", "{", "[]", '{"run": 3}', '{"run": [[1], 2]}'])
def test_a_damaged_index_is_as_good_as_none(root: Path, damage: str) -> None:
    (root.parent / "index.json").write_text(damage)
    assert len(scan(root).entries) == 2
