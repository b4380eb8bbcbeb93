"""The source tree as it lies: every file that may go into the image, with its content hash."""

import contextlib
import hashlib
import json
import os
import stat
import time
from collections.abc import Callable, Iterable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

from builder.errors import TreeError

# A file changed in the same clock tick as it was hashed could change again unseen ("racy git").
_SETTLED_NS = 1_000_000_000
_SMALL_BYTES = 1 << 18


def tree_suffix(root: Path) -> str:
    """What the names of a tree's folders end with, in Kiln's cache and in its state."""
    return hashlib.sha256(str(root).encode()).hexdigest()[:12]


@dataclass(frozen=True, slots=True)
class Entry:
    """A file or a symbolic link.

    Attributes:
        path: relative to the tree's root, with `/`.
        size: bytes; of a link, 0.
        executable: any execute bit; all else of the mode is dropped, since umasks differ.
        digest: SHA-256 of the content, hex; of a link, of its target.
        target: where a link points, as written; None for a file.
    """

    path: str
    size: int
    executable: bool
    digest: str
    target: str | None = None


@dataclass(frozen=True, slots=True)
class Tree:
    """What was found below a root, sorted by path."""

    root: Path
    entries: tuple[Entry, ...]

    def paths(self) -> frozenset[str]:
        """The paths of all entries."""
        return frozenset(entry.path for entry in self.entries)

    def read(self, path: str) -> bytes:
        """The content of a file of the tree."""
        return (self.root / path).read_bytes()

    def has(self, path: str) -> bool:
        """Whether a file or folder lies at this path on disk."""
        return (self.root / path).exists()


@dataclass(frozen=True, slots=True)
class _Found:
    path: str
    stamp: tuple[int, int, int, int]
    executable: bool
    target: str | None


class HashIndex:
    """Content hashes of files, remembered by size, times and inode between builds.

    Args:
        path: where the index lies; a missing or damaged one is an empty one.
    """

    def __init__(self, path: Path) -> None:
        self._path = path
        self._known: dict[str, tuple[list[int], str]] = {}
        try:
            loaded = json.loads(path.read_bytes())
            self._known = {key: (value[0], value[1]) for key, value in loaded.items()}
        except (OSError, ValueError, TypeError, IndexError, KeyError, AttributeError):
            self._known = {}

    def get(self, path: str, stamp: tuple[int, int, int, int]) -> str | None:
        """The hash of a file that has not changed since it was put."""
        known = self._known.get(path)
        return known[1] if known and tuple(known[0]) == stamp else None

    def replace(self, hashes: Iterable[tuple[str, tuple[int, int, int, int], str]]) -> None:
        """Write the index anew, atomically; files that have just changed are left out."""
        settled = time.time_ns() - _SETTLED_NS
        fresh = {
            path: (list(stamp), digest)
            for path, stamp, digest in hashes
            if stamp[1] < settled and stamp[2] < settled
        }
        if fresh == self._known:
            return
        temporary = self._path.with_suffix(f".{os.getpid()}")
        try:
            self._path.parent.mkdir(parents=True, exist_ok=True)
            temporary.write_text(json.dumps(fresh, separators=(",", ":")), encoding="utf-8")
            temporary.replace(self._path)
        except OSError:
            # Where the disk is full the next scan hashes again; the build says so itself.
            with contextlib.suppress(OSError):
                temporary.unlink(missing_ok=True)


def scan_tree(root: Path, excluded: Callable[[str], bool], index: HashIndex) -> Tree:
    """Find and hash all files below a root.

    Args:
        root: the tree's root.
        excluded: says of a path (a folder's ends with `/`) that it is left out, with all below.
        index: hashes remembered from earlier; brought up to date.

    Raises:
        TreeError: a link leaves the tree, a name is not UTF-8, a file is no file, link or
            folder, or cannot be read; all such problems at once.
    """
    problems: list[str] = []
    found: list[_Found] = []
    _walk(str(root), "", excluded, found, problems)
    found.sort(key=lambda one: one.path)
    for one in found:
        if one.target is not None and not _stays_inside(root, one):
            problems.append(f"{one.path}: the link to {one.target} leaves the tree")
    if problems:
        raise TreeError(
            f"{len(problems)} files cannot go into an image" if len(problems) > 1 else problems[0],
            where=str(root),
            hint="replace links by the files, rename, or name them under build.exclude",
            details=tuple(problems[:50]) if len(problems) > 1 else (),
        )
    digests = _digests(str(root), found, index)
    return Tree(
        root,
        tuple(
            Entry(one.path, one.stamp[0], one.executable, digests[one.path], one.target)
            for one in found
        ),
    )


def _walk(
    root: str,
    prefix: str,
    excluded: Callable[[str], bool],
    found: list[_Found],
    problems: list[str],
) -> None:
    # Plain strings and os.scandir: a Magento tree has 80,000 files, and pathlib triples the time.
    try:
        with os.scandir(f"{root}/{prefix}") as entries:
            listed = list(entries)
    except OSError as error:
        problems.append(f"{prefix or '.'}: cannot be read: {error.strerror}")
        return
    for entry in listed:
        path = prefix + entry.name
        is_folder = entry.is_dir(follow_symlinks=False)
        if excluded(path + "/" if is_folder else path):
            continue
        if not path.isprintable() and not _is_utf8(path):
            shown = os.fsencode(path).decode("utf-8", "backslashreplace")
            problems.append(f"{shown}: is not UTF-8")
        elif is_folder:
            _walk(root, path + "/", excluded, found, problems)
        else:
            status = entry.stat(follow_symlinks=False)
            mode = status.st_mode
            stamp = (status.st_size, status.st_mtime_ns, status.st_ctime_ns, status.st_ino)
            if stat.S_ISREG(mode):
                found.append(_Found(path, stamp, bool(mode & 0o111), None))
            elif stat.S_ISLNK(mode):
                target = os.readlink(entry.path)  # noqa: PTH115
                found.append(_Found(path, (0, *stamp[1:]), False, target))
            else:
                problems.append(f"{path}: is a socket, pipe or device")


def _is_utf8(path: str) -> bool:
    try:
        path.encode("utf-8")
    except UnicodeEncodeError:
        return False
    return True


def _digests(root: str, found: list[_Found], index: HashIndex) -> dict[str, str]:
    known: dict[str, str] = {}
    unknown: list[_Found] = []
    for one in found:
        if one.target is not None:
            known[one.path] = hashlib.sha256(one.target.encode()).hexdigest()
        elif digest := index.get(one.path, one.stamp):
            known[one.path] = digest
        else:
            unknown.append(one)
    try:
        # Hashing lets go of the interpreter lock; batches keep the pool's own work small.
        with ThreadPoolExecutor() as pool:
            batches = [unknown[at : at + 500] for at in range(0, len(unknown), 500)]
            for batch in pool.map(lambda some: [(i.path, _hash(root, i)) for i in some], batches):
                known.update(batch)
    except OSError as error:
        raise TreeError(
            f"cannot be read: {error.strerror}",
            where=str(error.filename),
            hint="make it readable, or run the build again if it has just been removed",
        ) from None
    index.replace((one.path, one.stamp, known[one.path]) for one in found if one.target is None)
    return known


def _hash(root: str, one: _Found) -> str:
    with open(f"{root}/{one.path}", "rb", buffering=0) as file:  # noqa: PTH123
        # file_digest clears a buffer of 256 KiB for each file, and most have a hundredth of it.
        if one.stamp[0] < _SMALL_BYTES:
            return hashlib.sha256(file.read()).hexdigest()
        return hashlib.file_digest(file, "sha256").hexdigest()


def _stays_inside(root: Path, one: _Found) -> bool:
    # The image's root is another folder than the tree's, so an absolute link would break there.
    if one.target is None or one.target.startswith("/"):
        return False
    return (root / one.path).resolve().is_relative_to(root.resolve())
