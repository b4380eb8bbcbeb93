"""Reading and pruning OCI layouts as BuildKit writes them."""

import errno
import json
from pathlib import Path
from typing import Any

import pytest

from builder.build.layout import name_provenance, prune_layout, read_layout
from builder.errors import BuildError, DiskFullError
from builder.registry.oci import MEDIA_TYPE_INDEX, MEDIA_TYPE_MANIFEST, blob_path, digest_of

LAYER = "application/vnd.oci.image.layer.v1.tar+gzip"
CONFIG = "application/vnd.oci.image.config.v1+json"
PROVENANCE = b'{"_type":"https://in-toto.io/Statement/v0.1","subject":[],"predicate":{}}'


class Writer:
    """Writes a layout the way buildx 0.13 does: index.json -> index -> image and attestation."""

    def __init__(self, directory: Path) -> None:
        self.directory = directory
        (directory / "blobs" / "sha256").mkdir(parents=True)
        (directory / "ingest").mkdir()
        (directory / "oci-layout").write_text('{"imageLayoutVersion":"1.0.0"}')

    def put(self, media_type: str, content: bytes | dict[str, Any]) -> dict[str, Any]:
        data = content if isinstance(content, bytes) else json.dumps(content).encode()
        digest = digest_of(data)
        blob_path(self.directory, digest).write_bytes(data)
        return {"mediaType": media_type, "digest": digest, "size": len(data)}

    def image(self, *layers: bytes, history: list[dict[str, Any]] | None = None) -> dict[str, Any]:
        steps = [{"created_by": f"COPY {n}"} for n, _ in enumerate(layers)]
        config = {"os": "linux", "history": steps if history is None else history}
        manifest = {
            "schemaVersion": 2,
            "mediaType": MEDIA_TYPE_MANIFEST,
            "config": self.put(CONFIG, config),
            "layers": [self.put(LAYER, layer) for layer in layers],
        }
        return {
            **self.put(MEDIA_TYPE_MANIFEST, manifest),
            "platform": {"architecture": "amd64", "os": "linux"},
        }

    def attested(self, image: dict[str, Any], statement: bytes = PROVENANCE) -> dict[str, Any]:
        layer = {
            **self.put("application/vnd.in-toto+json", statement),
            "annotations": {"in-toto.io/predicate-type": "https://slsa.dev/provenance/v0.2"},
        }
        manifest = {
            "schemaVersion": 2,
            "mediaType": MEDIA_TYPE_MANIFEST,
            "config": self.put(CONFIG, {"os": "unknown", "of": image["digest"]}),
            "layers": [layer],
        }
        attestation = {
            **self.put(MEDIA_TYPE_MANIFEST, manifest),
            "annotations": {
                "vnd.docker.reference.type": "attestation-manifest",
                "vnd.docker.reference.digest": image["digest"],
            },
            "platform": {"architecture": "unknown", "os": "unknown"},
        }
        index = {
            "schemaVersion": 2,
            "mediaType": MEDIA_TYPE_INDEX,
            "manifests": [image, attestation],
        }
        return self.put(MEDIA_TYPE_INDEX, index)

    def finish(self, *entries: dict[str, Any]) -> Path:
        index = {"schemaVersion": 2, "manifests": list(entries)}
        (self.directory / "index.json").write_text(json.dumps(index))
        return self.directory

    def blobs(self) -> set[str]:
        return {f"sha256:{p.name}" for p in (self.directory / "blobs/sha256").iterdir()}


@pytest.fixture
def writer(tmp_path: Path) -> Writer:
    return Writer(tmp_path / "layout")


def test_an_index_with_an_attestation_gives_the_image_manifest_and_its_provenance(
    writer: Writer,
) -> None:
    entry = writer.image(b"one", b"two")
    image = read_layout(writer.finish(writer.attested(entry)))
    assert image.digest == entry["digest"] == digest_of(image.manifest)
    assert image.descriptor.media_type == MEDIA_TYPE_MANIFEST
    assert image.config["os"] == "linux"
    assert [layer.descriptor.digest for layer in image.layers] == [
        digest_of(b"one"),
        digest_of(b"two"),
    ]
    assert [layer.created_by for layer in image.layers] == ["COPY 0", "COPY 1"]
    assert image.provenance == PROVENANCE


def test_a_plain_manifest_has_no_provenance(writer: Writer) -> None:
    entry = writer.image(b"one")
    image = read_layout(writer.finish(entry))
    assert image.digest == entry["digest"]
    assert image.provenance is None


def test_history_entries_without_a_layer_are_skipped(writer: Writer) -> None:
    history: list[dict[str, Any]] = [
        {"created_by": "ENV A=1", "empty_layer": True},
        {"created_by": "COPY a"},
        {"created_by": "LABEL", "empty_layer": True},
    ]
    image = read_layout(writer.finish(writer.image(b"one", history=history)))
    assert [layer.created_by for layer in image.layers] == ["COPY a"]


def test_a_history_that_does_not_map_to_layers_is_left_out(writer: Writer) -> None:
    image = read_layout(writer.finish(writer.image(b"one", b"two", history=[{"created_by": "x"}])))
    assert [layer.created_by for layer in image.layers] == ["", ""]


def test_several_images_are_refused_unless_one_is_named(writer: Writer) -> None:
    first, second = writer.image(b"one"), writer.image(b"two")
    name = "org.opencontainers.image.ref.name"
    layout = writer.finish(
        {**first, "annotations": {name: "a"}}, {**second, "annotations": {name: "b"}}
    )
    with pytest.raises(BuildError, match="2 images where one is expected"):
        read_layout(layout)
    assert read_layout(layout, name="b").digest == second["digest"]
    with pytest.raises(BuildError, match="no image named 'c'"):
        read_layout(layout, name="c")


def test_an_index_of_several_platforms_is_refused(writer: Writer) -> None:
    index = {"manifests": [writer.image(b"one"), writer.image(b"two")]}
    with pytest.raises(BuildError, match="2 images") as caught:
        read_layout(writer.finish(writer.put(MEDIA_TYPE_INDEX, index)))
    assert "one platform" in caught.value.hint


def test_the_same_image_under_two_names_is_one_image(writer: Writer) -> None:
    entry = writer.image(b"one")
    assert read_layout(writer.finish(entry, entry)).digest == entry["digest"]


def test_a_directory_without_a_finished_layout_is_refused(tmp_path: Path, writer: Writer) -> None:
    for directory in (tmp_path / "missing", tmp_path, writer.directory):
        with pytest.raises(BuildError, match="no complete OCI image layout"):
            read_layout(directory)


def test_an_empty_layout_is_refused(writer: Writer) -> None:
    with pytest.raises(BuildError, match="holds no image"):
        read_layout(writer.finish())


@pytest.mark.parametrize("content", [b"", b"{", b"[]", b'{"manifests": 1}', b"\xff"])
def test_a_broken_index_is_refused(writer: Writer, content: bytes) -> None:
    (writer.finish() / "index.json").write_bytes(content)
    with pytest.raises(BuildError) as caught:
        read_layout(writer.directory)
    assert str(writer.directory) in caught.value.where


@pytest.mark.parametrize(
    "entry",
    [
        None,
        {},
        {"mediaType": MEDIA_TYPE_MANIFEST, "digest": "sha256:../../etc/passwd", "size": 1},
        {"mediaType": MEDIA_TYPE_MANIFEST, "digest": "sha256:" + "0" * 64, "size": "1"},
    ],
)
def test_a_broken_descriptor_is_refused(writer: Writer, entry: Any) -> None:
    with pytest.raises(BuildError):
        read_layout(writer.finish(entry))


def test_missing_cut_and_damaged_blobs_are_named(writer: Writer) -> None:
    entry = writer.image(b"one")
    layout = writer.finish(writer.attested(entry))
    layer = blob_path(layout, digest_of(b"one"))
    layer.write_bytes(b"on")
    with pytest.raises(BuildError, match=r"incomplete.*has 2 bytes instead of 3") as caught:
        read_layout(layout)
    assert "build the image again" in caught.value.hint
    layer.unlink()
    with pytest.raises(BuildError, match=r"incomplete.*is missing"):
        read_layout(layout)
    layer.write_bytes(b"one")
    manifest = blob_path(layout, entry["digest"])
    manifest.write_bytes(manifest.read_bytes().replace(b"linux", b"LINUX").replace(b"{", b"[", 1))
    with pytest.raises(BuildError, match="does not match its digest"):
        read_layout(layout)


def test_a_path_is_only_made_of_a_digest(tmp_path: Path) -> None:
    for wrong in ("", "sha256:..", "sha512:" + "0" * 128, "sha256:" + "A" * 64, "latest"):
        with pytest.raises(ValueError, match="not a sha256 digest"):
            blob_path(tmp_path, wrong)


def test_pruning_keeps_what_a_kept_image_needs_with_its_attestation(writer: Writer) -> None:
    old, new = writer.image(b"shared", b"old"), writer.image(b"shared", b"new")
    old_index = writer.attested(old, b'{"predicate": "old"}')
    layout = writer.finish(writer.attested(new))
    (layout / "ingest" / "half").mkdir()
    (layout / "ingest" / "half" / "data").write_bytes(b"x" * 100)
    before = read_layout(layout)

    freed = prune_layout(layout, {before.digest})

    assert read_layout(layout) == before
    gone = {old["digest"], old_index["digest"], digest_of(b"old")}
    assert not gone & writer.blobs()
    assert digest_of(b"shared") in writer.blobs()
    assert freed > 100
    assert list((layout / "ingest").iterdir()) == []
    assert prune_layout(layout, {before.digest}) == 0


def test_pruning_keeps_an_image_the_index_has_forgotten(writer: Writer) -> None:
    old, new = writer.image(b"old"), writer.image(b"new")
    layout = writer.finish(new)
    prune_layout(layout, {old["digest"], new["digest"]})
    assert {digest_of(b"old"), digest_of(b"new"), old["digest"]} <= writer.blobs()
    assert read_layout(layout).digest == new["digest"]


def test_pruning_all_leaves_an_empty_layout(writer: Writer) -> None:
    layout = writer.finish(writer.attested(writer.image(b"one")))
    prune_layout(layout, ())
    assert writer.blobs() == set()
    with pytest.raises(BuildError, match="holds no image"):
        read_layout(layout)


def test_pruning_nothing_is_no_error(tmp_path: Path) -> None:
    assert prune_layout(tmp_path / "missing", {"sha256:" + "0" * 64}) == 0


def test_pruning_without_room_leaves_the_layout_as_it_was(
    writer: Writer, monkeypatch: pytest.MonkeyPatch
) -> None:
    layout = writer.finish(writer.attested(writer.image(b"one")))
    before = writer.blobs()

    def fail(path: Path, text: str) -> int:
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(Path, "write_text", fail)
    with pytest.raises(DiskFullError) as caught:
        prune_layout(layout, ())
    assert caught.value.where == str(layout)
    assert writer.blobs() == before
    read_layout(layout)


def test_pruning_a_half_written_layout_keeps_what_is_whole(writer: Writer) -> None:
    whole, half = writer.image(b"whole"), writer.image(b"half")
    layout = writer.finish(whole, half)
    blob_path(layout, half["digest"]).write_bytes(b"{")
    prune_layout(layout, {whole["digest"]})
    assert read_layout(layout).digest == whole["digest"]
    assert digest_of(b"half") not in writer.blobs()


def test_a_statement_without_a_subject_is_given_one() -> None:
    digest = "sha256:" + "a" * 64
    named = json.loads(name_provenance(PROVENANCE, "shop.example/web", digest))
    assert named["subject"] == [{"name": "shop.example/web", "digest": {"sha256": "a" * 64}}]
    assert named["predicate"] == {}
