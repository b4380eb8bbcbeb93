"""Input groups as OCI layers on disk, which BuildKit takes as build contexts by digest.

A local folder as context is walked and compared by BuildKit on every build, and its files carry
the host's modes and times. A layer named by its digest is neither: a group that has not changed
costs nothing, and the same files give the same bytes on every host.
"""

import hashlib
import io
import json
import os
import shutil
import tarfile
from collections.abc import Mapping
from pathlib import Path
from typing import IO, Any

import zstandard

from builder.errors import TreeError
from builder.plan.build import InputGroup
from builder.project.tree import Entry

_CONFIG = "application/vnd.oci.image.config.v1+json"
_MANIFEST = "application/vnd.oci.image.manifest.v1+json"
_LAYER = "application/vnd.oci.image.layer.v1.tar+zstd"
# A seventh to write, to send and to keep, for half a second of a core; the image's layers are
# compressed anew and better.
_ZSTD_LEVEL = 1
_READ_BYTES = 1 << 20


def write_input(
    group: InputGroup,
    root: Path,
    store: Path,
    epoch: int,
    below: str = "",
    texts: Mapping[str, bytes] | None = None,
) -> str:
    """Write a group as an image of one layer, unless the store has it.

    Args:
        group: the files.
        root: the folder that they lie in.
        store: where layouts are kept, one folder a group.
        epoch: the time of every file and folder, in seconds since 1970.
        below: the folder of the layer that gets them, as in the image: a COPY keeps the times of
            folders, and sets those that it makes to now. A link named by their time leads to it;
            dockerfiles/stages/vendor.j2 says why.
        texts: contents by path, for files that are not on disk.

    Returns:
        The build context's address, `oci-layout://FOLDER@sha256:…`.

    Raises:
        TreeError: a file has changed since it was hashed.
        OSError: the disk is full.
    """
    layout = store / group.name
    done = layout / "kiln.json"
    key = {"group": group.digest, "epoch": epoch, "below": below}
    try:
        known = json.loads(done.read_bytes())
        if known["key"] == key:
            return f"oci-layout://{layout}@{known['manifest']}"
    except (OSError, ValueError, KeyError, TypeError):
        pass
    shutil.rmtree(layout, ignore_errors=True)
    (layout / "blobs" / "sha256").mkdir(parents=True)
    manifest = _write_layout(group, root, layout, epoch, below, texts or {})
    # Written last: a layout without it is a half-written one and is written anew.
    done.write_text(json.dumps({"key": key, "manifest": manifest}))
    return f"oci-layout://{layout}@{manifest}"


def _write_layout(
    group: InputGroup, root: Path, layout: Path, epoch: int, below: str, texts: Mapping[str, bytes]
) -> str:
    temporary = layout / "layer"
    # A thread compresses while this one reads.
    compressor = zstandard.ZstdCompressor(_ZSTD_LEVEL, threads=1)
    with temporary.open("wb") as raw:
        packed = _HashingFile(raw)
        with compressor.stream_writer(packed, closefd=False) as packing:  # type: ignore[arg-type]
            plain = _HashingFile(packing)
            _write_tar(plain, group.entries, root, epoch, below, texts)
    digest = f"sha256:{packed.hasher.hexdigest()}"
    layer = {"mediaType": _LAYER, "digest": digest, "size": temporary.stat().st_size}
    temporary.rename(layout / "blobs" / "sha256" / packed.hasher.hexdigest())
    config = {
        "architecture": "amd64",
        "os": "linux",
        "config": {},
        "rootfs": {"type": "layers", "diff_ids": [f"sha256:{plain.hasher.hexdigest()}"]},
    }
    manifest = {
        "schemaVersion": 2,
        "mediaType": _MANIFEST,
        "config": _write_blob(layout, _CONFIG, config),
        "layers": [layer],
    }
    descriptor = _write_blob(layout, _MANIFEST, manifest)
    index = {"schemaVersion": 2, "manifests": [descriptor]}
    (layout / "index.json").write_text(json.dumps(index))
    (layout / "oci-layout").write_text(json.dumps({"imageLayoutVersion": "1.0.0"}))
    return str(descriptor["digest"])


def _write_blob(layout: Path, media_type: str, content: object) -> dict[str, Any]:
    data = json.dumps(content, sort_keys=True).encode()
    digest = hashlib.sha256(data).hexdigest()
    (layout / "blobs" / "sha256" / digest).write_bytes(data)
    return {"mediaType": media_type, "digest": f"sha256:{digest}", "size": len(data)}


def _write_tar(
    out: "_HashingFile",
    entries: tuple[Entry, ...],
    root: Path,
    epoch: int,
    below: str,
    texts: Mapping[str, bytes],
) -> None:
    # Plain strings, as in project/tree.py, and no TarFile, which copies each member: a group has
    # tens of thousands of files, and either makes it a third slower.
    begin = f"{below}/" if below else ""
    folders: set[str] = set()
    if below:
        _write_member(out, _link(str(epoch), below, epoch))
    for entry in entries:
        path = begin + entry.path
        for folder in _missing_folders(path, folders):
            _write_member(out, _member(folder, tarfile.DIRTYPE, 0o755, epoch))
        if entry.target is not None:
            _write_member(out, _link(path, entry.target, epoch))
            continue
        member = _member(path, tarfile.REGTYPE, 0o755 if entry.executable else 0o644, epoch)
        member.size = entry.size
        _write_member(out, member)
        with _open(entry, root, texts) as source:
            _write_content(out, source, entry)
    # POSIX: two blocks of zeros end an archive.
    out.write(bytes(2 * tarfile.BLOCKSIZE))


def _write_member(out: "_HashingFile", member: tarfile.TarInfo) -> None:
    out.write(member.tobuf(tarfile.PAX_FORMAT))


def _write_content(out: "_HashingFile", source: IO[bytes], entry: Entry) -> None:
    hasher = hashlib.sha256()
    left = entry.size
    # One byte more than there should be shows that a file has grown.
    while left >= 0 and (block := source.read(min(left + 1, _READ_BYTES))):
        hasher.update(block)
        out.write(block)
        left -= len(block)
    if left != 0 or hasher.hexdigest() != entry.digest:
        raise _changed(entry)
    out.write(bytes(-entry.size % tarfile.BLOCKSIZE))


def _missing_folders(path: str, folders: set[str]) -> list[str]:
    """The folders that a path lies in, outermost first, without those that are there already."""
    missing = []
    folder = path.rpartition("/")[0]
    while folder and folder not in folders:
        folders.add(folder)
        missing.append(folder)
        folder = folder.rpartition("/")[0]
    return missing[::-1]


def _open(entry: Entry, root: Path, texts: Mapping[str, bytes]) -> IO[bytes]:
    if entry.path in texts:
        return io.BytesIO(texts[entry.path])
    try:
        return open(f"{root}/{entry.path}", "rb", buffering=0)  # noqa: PTH123
    except FileNotFoundError:
        raise _changed(entry) from None


def _changed(entry: Entry) -> TreeError:
    return TreeError(
        "the file changed while the build was reading it",
        where=entry.path,
        hint="run the build again",
    )


def _member(path: str, kind: bytes, mode: int, epoch: int) -> tarfile.TarInfo:
    member = tarfile.TarInfo(path)
    member.type, member.mode, member.mtime = kind, mode, epoch
    return member


def _link(path: str, target: str, epoch: int) -> tarfile.TarInfo:
    member = _member(path, tarfile.SYMTYPE, 0o777, epoch)
    member.linkname = target
    return member


class _HashingFile:
    """A file that hashes what is written to it."""

    def __init__(self, file: IO[bytes]) -> None:
        self._file = file
        self.hasher = hashlib.sha256()

    def write(self, data: bytes) -> int:
        self.hasher.update(data)
        return self._file.write(data)


def drop_other_inputs(store: Path, keep: set[str]) -> None:
    """Remove the layouts of groups that the current plan does not have."""
    if store.is_dir():
        for name in os.listdir(store):  # noqa: PTH208
            if name not in keep:
                shutil.rmtree(store / name, ignore_errors=True)
