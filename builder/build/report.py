"""What is worth knowing of a build, and what it changed, as one page for a browser. Pure."""

import json
import posixpath
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass

import squarify

from builder.build.record import ImageRecord, LayerRecord, StageRecord
from builder.magento.config_php import CONFIG_PHP
from builder.magento.php_array import read_php_file
from builder.render.templates import template_environment
from builder.render.units import human_bytes

# Where Kiln's images have them.
IMAGE_CONFIG = f"app/{CONFIG_PHP}"
IMAGE_LOCK = "app/composer.lock"
WANTED = frozenset({IMAGE_CONFIG, IMAGE_LOCK})

SHOWN_FILES = 30
# Of the treemap, in the SVG's own units.
_WIDTH, _HEIGHT = 1000.0, 360.0


@dataclass(frozen=True, slots=True)
class BigFile:
    """A file of the image: its path, bytes as it is unpacked, and the step that put it there."""

    path: str
    size: int
    created_by: str


@dataclass(frozen=True, slots=True)
class Change:
    """A value that differs from the one before; None where there is none."""

    name: str
    old: str | None
    new: str | None


@dataclass(frozen=True, slots=True)
class Comparison:
    """What changed against another image.

    Attributes:
        image: the other one, repository and digest.
        new, reused: layers that it lacks, and that it has.
        settings: of config.php and kiln.yaml.
        versions: of packages in composer.lock, and of what the image is made with.
    """

    image: str
    new: tuple[LayerRecord, ...]
    reused: tuple[LayerRecord, ...]
    settings: tuple[Change, ...]
    versions: tuple[Change, ...]


@dataclass(frozen=True, slots=True)
class Report:
    """All that the page shows.

    Attributes:
        record: the image's.
        places: by a layer's digest the folder that holds all of its files.
        files: the biggest ones, the biggest first.
        comparison: None where the image follows no other.
        remark: why there is none; empty where there is one.
    """

    record: ImageRecord
    places: Mapping[str, str]
    files: tuple[BigFile, ...]
    comparison: Comparison | None
    remark: str


@dataclass(frozen=True, slots=True)
class Tile:
    """A layer's place in the treemap, in the SVG's units."""

    layer: LayerRecord
    x: float
    y: float
    width: float
    height: float


def find_big_files(
    layers: Iterable[tuple[LayerRecord, Mapping[str, int]]], count: int = SHOWN_FILES
) -> tuple[BigFile, ...]:
    """The biggest files of an image.

    Args:
        layers: from the bottom up, each with the sizes of its files; the last one counts.
        count: how many.
    """
    files = {
        path: BigFile(path, size, layer.created_by)
        for layer, sizes in layers
        for path, size in sizes.items()
    }
    return tuple(sorted(files.values(), key=lambda one: (-one.size, one.path))[:count])


def find_place(paths: Collection[str]) -> str:
    """The folder, or the one file, that holds all paths of a layer: what it is, in short."""
    return f"/{posixpath.commonpath(paths)}" if paths else "/"


def compare_images(
    record: ImageRecord,
    contents: Mapping[str, bytes],
    other: ImageRecord,
    other_contents: Mapping[str, bytes],
) -> Comparison:
    """What changed from another image to this one.

    Args:
        record, other: their records.
        contents, other_contents: those of `WANTED` that each image has.
    """
    there = {layer.digest for layer in other.layers}
    return Comparison(
        image=other.image,
        new=tuple(layer for layer in record.layers if layer.digest not in there),
        reused=tuple(layer for layer in record.layers if layer.digest in there),
        settings=(
            *_changes(_config(other_contents), _config(contents)),
            # Records of older versions of Kiln have no kiln.yaml.
            *(
                _changes(_project(other), _project(record))
                if other.settings and record.settings
                else ()
            ),
        ),
        versions=(
            *_changes(_made_with(other), _made_with(record)),
            *_changes(_packages(other_contents), _packages(contents)),
        ),
    )


def arrange_layers(layers: Iterable[LayerRecord]) -> tuple[Tile, ...]:
    """Layers as a squarified treemap by compressed bytes; empty ones have no place in it."""
    ordered = sorted((one for one in layers if one.size), key=lambda one: -one.size)
    sizes = squarify.normalize_sizes([one.size for one in ordered], _WIDTH, _HEIGHT)
    places = squarify.squarify(sizes, 0, 0, _WIDTH, _HEIGHT)
    return tuple(
        Tile(layer, *(round(place[side], 2) for side in ("x", "y", "dx", "dy")))
        for layer, place in zip(ordered, places, strict=True)
    )


def render_report(report: Report) -> str:
    """The page as HTML, which loads nothing and runs nothing."""
    ran = [stage for stage in report.record.stages if stage.ended is not None]
    environment = template_environment().overlay(autoescape=True)
    environment.filters["bytes"] = human_bytes
    comparison = report.comparison
    return environment.get_template("report/report.html.j2").render(
        record=report.record,
        ran=ran,
        cached=[stage for stage in report.record.stages if stage.cached],
        seconds=_length(ran),
        tiles=arrange_layers(report.record.layers),
        width=_WIDTH,
        height=_HEIGHT,
        new={layer.digest for layer in comparison.new} if comparison else set(),
        places=report.places,
        files=report.files,
        comparison=comparison,
        remark=report.remark,
    )


def _length(ran: Sequence[StageRecord]) -> float:
    return max((stage.ended or 0.0 for stage in ran), default=0.0) or 1.0


def _changes(old: Mapping[str, str], new: Mapping[str, str]) -> list[Change]:
    return [
        Change(name, old.get(name), new.get(name))
        for name in sorted({*old, *new})
        if old.get(name) != new.get(name)
    ]


def _config(contents: Mapping[str, bytes]) -> dict[str, str]:
    source = contents.get(IMAGE_CONFIG)
    return _flatten(CONFIG_PHP, read_php_file(source, CONFIG_PHP).value) if source else {}


def _project(record: ImageRecord) -> dict[str, str]:
    return _flatten("kiln.yaml", record.settings) if record.settings else {}


def _flatten(name: str, value: object) -> dict[str, str]:
    if isinstance(value, Mapping):
        separator = " " if name in (CONFIG_PHP, "kiln.yaml") else "/"
        return {
            key: text
            for below, one in value.items()
            for key, text in _flatten(f"{name}{separator}{below}", one).items()
        }
    return {name: value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)}


def _packages(contents: Mapping[str, bytes]) -> dict[str, str]:
    try:
        packages = json.loads(contents[IMAGE_LOCK])["packages"]
        return {str(one["name"]): str(one["version"]) for one in packages}
    except (KeyError, ValueError, TypeError):
        return {}


def _made_with(record: ImageRecord) -> dict[str, str]:
    return {
        "Magento": f"{record.magento_version} ({record.magento_edition})",
        "PHP": record.php_version,
        "base image": record.base,
        "Kiln": record.kiln,
    }
