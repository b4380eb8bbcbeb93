import io
import json
import re
import tarfile
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
import zstandard

from builder.build.layer_files import LayerFiles, find_contents, layer_reader
from builder.build.record import ImageRecord, LayerRecord, StageRecord
from builder.build.report import (
    IMAGE_CONFIG,
    IMAGE_LOCK,
    Change,
    Comparison,
    Report,
    arrange_layers,
    compare_images,
    find_big_files,
    find_place,
    render_report,
)
from builder.registry.client import Registry
from builder.registry.oci import digest_of
from builder.registry.reference import ImageReference

SCRIPT = "<script>alert(1)</script>"
IMAGE = ImageReference.parse("localhost:5000/sample")


def layer(name: str, size: int, step: str = "COPY /app/ /app/") -> LayerRecord:
    return LayerRecord(digest=digest_of(name.encode()), size=size, created_by=step)


def make_record(*layers: LayerRecord, **changes: Any) -> ImageRecord:
    digest = digest_of(repr(layers).encode())
    values: dict[str, Any] = {
        "image": f"localhost:5000/sample@{digest}",
        "digest": digest,
        "tags": ("1",),
        "created": datetime(2026, 3, 1, 12, tzinfo=UTC),
        "kiln": "0.1.0",
        "git": None,
        "magento_edition": "community",
        "magento_version": "2.4.7-p3",
        "php_version": "8.2.29",
        "base": "localhost:5000/kiln/base:bookworm@sha256:" + "a" * 64,
        "content_version": "1",
        "inputs": "0" * 64,
        "input_groups": {},
        "themes": {},
        "static_strategy": "quick",
        "composer_packages": 0,
        "debian_packages": 0,
        "stages": (
            StageRecord(name="php", seconds=0, cached=True),
            StageRecord(name="compiled", seconds=4, cached=False, began=1.0, ended=5.0),
        ),
        "layers": layers,
        "size": sum(one.size for one in layers),
        "seconds": 7.0,
    }
    return ImageRecord(**{**values, **changes})


def contents(config: str, **versions: str) -> dict[str, bytes]:
    packages = [{"name": name, "version": version} for name, version in versions.items()]
    lock = json.dumps({"packages": packages}).encode()
    return {IMAGE_CONFIG: f"<?php return {config};".encode(), IMAGE_LOCK: lock}


# -- the comparison -----------------------------------------------------------------------------


def test_layers_are_new_or_reused_by_their_digest() -> None:
    base, old, new = layer("base", 100), layer("old", 10), layer("new", 20)
    found = compare_images(make_record(base, new), {}, make_record(base, old), {})
    assert (found.new, found.reused) == ((new,), (base,))


def test_a_changed_setting_is_named_with_its_place_and_both_values() -> None:
    before = (
        "['modules' => ['A' => 1, 'B' => 1], 'system' => ['default' => ['web' => ['x' => 'a']]]]"
    )
    after = (
        "['modules' => ['A' => 1, 'B' => 0], 'system' => ['default' => ['web' => ['x' => 'b']]]]"
    )
    found = compare_images(
        make_record(
            settings={"name": "s", "static": {"themes": {"frontend/a/b": ["en_US", "de_DE"]}}}
        ),
        contents(after),
        make_record(settings={"name": "s", "static": {"themes": {"frontend/a/b": ["en_US"]}}}),
        contents(before),
    )
    assert found.settings == (
        Change("app/etc/config.php modules/B", "1", "0"),
        Change("app/etc/config.php system/default/web/x", "a", "b"),
        Change("kiln.yaml static/themes/frontend/a/b", '["en_US"]', '["en_US", "de_DE"]'),
    )


def test_a_list_in_config_php_is_compared_entry_by_entry() -> None:
    found = compare_images(
        make_record(),
        contents("['x' => ['a', 'c']]"),
        make_record(),
        contents("['x' => ['a', 'b']]"),
    )
    assert found.settings == (Change("app/etc/config.php x/1", "b", "c"),)


def test_versions_are_compared_with_those_that_came_and_went() -> None:
    found = compare_images(
        make_record(php_version="8.2.30"),
        contents("[]", same="1", moved="2", came="1"),
        make_record(),
        contents("[]", same="1", moved="1", went="1"),
    )
    assert found.versions == (
        Change("PHP", "8.2.29", "8.2.30"),
        Change("came", None, "1"),
        Change("moved", "1", "2"),
        Change("went", "1", None),
    )


# -- files --------------------------------------------------------------------------------------


def test_the_biggest_files_count_as_the_last_layer_has_them() -> None:
    base, top = layer("base", 1, "RUN apt-get"), layer("top", 1, "COPY")
    found = find_big_files([(base, {"a": 9, "b": 5}), (top, {"a": 1, "c": 7})], count=2)
    assert [(one.path, one.size, one.created_by) for one in found] == [
        ("c", 7, "COPY"),
        ("b", 5, "RUN apt-get"),
    ]


@pytest.mark.parametrize("compress", [zstandard.compress, lambda data: data])
def test_a_layer_in_the_layout_is_read_once_and_without_a_registry(
    tmp_path: Path, compress: Any
) -> None:
    packed = io.BytesIO()
    with tarfile.open(fileobj=packed, mode="w") as tar:
        for path, text in (("app/composer.lock", b"{}"), ("app/x.php", b"<?php")):
            member = tarfile.TarInfo(path)
            member.size = len(text)
            tar.addfile(member, io.BytesIO(text))
    blob = compress(packed.getvalue())
    file = tmp_path / "blobs/sha256" / digest_of(blob).removeprefix("sha256:")
    file.parent.mkdir(parents=True)
    file.write_bytes(blob)
    read = layer_reader(Registry(), IMAGE, tmp_path, {IMAGE_LOCK})
    files = read(digest_of(blob))
    assert files.sizes == {"app/composer.lock": 2, "app/x.php": 5}
    assert files.contents == {IMAGE_LOCK: b"{}"}
    file.unlink()
    assert read(digest_of(blob)) is files


def test_layers_below_what_was_asked_for_are_not_read() -> None:
    layers = {"top": LayerFiles(contents={"a": b"new"}), "middle": LayerFiles(contents={"b": b"x"})}
    found = find_contents(lambda digest: layers[digest], ["base", "middle", "top"], {"a", "b"})
    assert found == {"a": b"new", "b": b"x"}


@pytest.mark.parametrize(
    ("paths", "place"),
    [
        (["app/pub/static/a/x.css", "app/pub/static/a/b/y.js"], "/app/pub/static/a"),
        (["app/x", "usr/y"], "/"),
        (["app/x"], "/app/x"),
        ([], "/"),
    ],
)
def test_a_layer_is_known_by_where_its_files_lie(paths: list[str], place: str) -> None:
    assert find_place(paths) == place


# -- the page -----------------------------------------------------------------------------------


def test_each_layer_has_its_share_of_the_map() -> None:
    tiles = arrange_layers([layer("a", 600), layer("b", 300), layer("c", 100), layer("none", 0)])
    areas = [tile.width * tile.height for tile in tiles]
    total = sum(areas)
    assert [round(area / total, 2) for area in areas] == [0.6, 0.3, 0.1]
    assert arrange_layers([]) == ()


def test_the_page_says_what_changed_loads_nothing_and_escapes() -> None:
    base, new = layer("base", 2000), layer("new", 5000, f"RUN {SCRIPT}")
    comparison = Comparison(
        "localhost:5000/sample@sha256:0", (new,), (base,), (Change(SCRIPT, None, SCRIPT),), ()
    )
    record = make_record(base, new, tags=(SCRIPT,))
    files = find_big_files([(new, {SCRIPT: 5})])
    places = {base.digest: "/", new.digest: f"/{SCRIPT}"}
    html = render_report(Report(record, places, files, comparison, ""))
    assert "1 new layers with 5.0 kB, 1 reused with 2.0 kB" in html
    assert "<script" not in html
    assert "From the cache: php" in html
    assert not re.search(r"(?:src|href)=\"(?!data:)", html)
    assert "url(" not in html


def test_a_record_of_an_older_kiln_has_a_page() -> None:
    stages = (StageRecord(name="php", seconds=3, cached=False),)
    html = render_report(Report(make_record(stages=stages), {}, (), None, "It is the first."))
    assert "It is the first." in html
