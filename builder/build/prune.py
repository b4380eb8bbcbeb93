"""What builds leave on a host and nothing needs: BuildKit's cache beyond its bound, and folders of
Kiln's cache whose tree is gone.

BuildKit removes what was used longest ago, and nothing that a running build or an image uses; so
what is left may be more than the bound. Kiln removes nothing of a tree that is being built.
"""

import contextlib
import os
import re
import shutil
import subprocess
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from builder.build.disk import explain_refusal
from builder.build.lock import hold_build_lock, is_locked, locked_tree
from builder.errors import BusyError, HostError
from builder.process import Runner
from builder.project.tree import tree_suffix

# Of a tree that is there: what a killed build leaves. Of one that is gone, all but the development
# system's secrets, which its containers may still have mounted.
_WORKING = ("work", "second", "image/ingest")
_KEPT = ("dev", "lock")
_UNITS = {"B": 1, "kB": 10**3, "KB": 10**3, "MB": 10**6, "GB": 10**9, "TB": 10**12}
_TOTAL = re.compile(r"^Total:\s+([\d.]+)\s?([kKMGT]?B)$", re.MULTILINE)
_PATIENCE = 1800.0


@dataclass(frozen=True, slots=True)
class OldState:
    """What can go of one tree's folder in Kiln's cache.

    Attributes:
        folder: the tree's.
        paths: what goes, sorted.
        size: bytes of it.
        gone: the tree is not there any more.
    """

    folder: Path
    paths: tuple[Path, ...]
    size: int
    gone: bool


def find_old_state(cache: Path) -> tuple[OldState, ...]:
    """What nothing needs in Kiln's cache; nothing of a tree that is being built.

    Args:
        cache: Kiln's cache, with a folder for each tree.
    """
    found = []
    for lock in sorted(cache.glob("*/lock")):
        # What cannot be read is another user's, or changes just now: it stays.
        with contextlib.suppress(OSError):
            old = _find_in(lock)
            if old is not None and not is_locked(lock):
                found.append(old)
    return tuple(found)


def _find_in(lock: Path) -> OldState | None:
    folder, tree = lock.parent, locked_tree(lock)
    if tree is None or not folder.name.endswith(tree_suffix(tree)):
        # Not Kiln's, in a folder that others use as well.
        return None
    gone = not tree.is_dir()
    if gone:
        paths = [path for path in sorted(folder.iterdir()) if path.name not in _KEPT]
    else:
        paths = [folder / name for name in _WORKING if (folder / name).exists()]
    if not paths and not (gone and not (folder / "dev").exists()):
        return None
    return OldState(folder, tuple(paths), sum(map(_size, paths)), gone)


def remove_old_state(old: OldState) -> bool:
    """Remove it, unless its tree is being built meanwhile.

    Returns:
        Whether it is gone.

    Raises:
        HostError: a file cannot be removed.
    """
    tree = locked_tree(old.folder / "lock")
    try:
        with hold_build_lock(old.folder / "lock", tree=tree):
            if old.gone and tree and tree.is_dir():
                return False
            for path in old.paths:
                shutil.rmtree(path) if path.is_dir() else path.unlink(missing_ok=True)
            if old.gone and not (old.folder / "dev").exists():
                shutil.rmtree(old.folder)
    except BusyError:
        return False
    except OSError as error:
        raise explain_refusal(error, old.folder) from None
    return True


def _size(path: Path) -> int:
    if not path.is_dir():
        return path.lstat().st_size
    files = (Path(folder, name) for folder, _, names in os.walk(path) for name in names)
    return sum(file.lstat().st_size for file in files)


# -- BuildKit's cache -----------------------------------------------------------------------------


def prune_argv(builder: str | None, bound: int, *, has_bound: bool) -> list[str]:
    """The command line that brings BuildKit's cache down to a size. Pure.

    Args:
        builder: the buildx builder, or None for the current one.
        bound: bytes.
        has_bound: this buildx has `--max-used-space`. An older BuildKit behind it does not know
            that bound and goes by the reserved space, which it calls the storage to keep.
    """
    options = ("--reserved-space", "--max-used-space") if has_bound else ("--keep-storage",)
    argv = ["docker", "buildx", "prune", "--force"]
    argv += [word for option in options for word in (option, str(bound))]
    return [*argv, "--builder", builder] if builder else argv


def cache_argv(builder: str | None) -> list[str]:
    """The command line that tells how large BuildKit's cache is. Pure."""
    argv = ["docker", "buildx", "du"]
    return [*argv, "--builder", builder] if builder else argv


def read_total(text: str) -> int:
    """The bytes that `docker buildx du` or `prune` name at their end; 0 where they name none."""
    found = _TOTAL.findall(text)
    return round(float(found[-1][0]) * _UNITS[found[-1][1]]) if found else 0


def prune_buildkit(run: Runner, env: Mapping[str, str], builder: str | None, bound: int) -> int:
    """Bring BuildKit's cache down to a size, as far as it can.

    Returns:
        Bytes that were freed.

    Raises:
        HostError: the builder does not answer.
    """
    usage = _ask(run, env, ["docker", "buildx", "prune", "--help"])
    return read_total(
        _ask(run, env, prune_argv(builder, bound, has_bound="--max-used-space" in usage))
    )


def measure_buildkit(run: Runner, env: Mapping[str, str], builder: str | None) -> int:
    """How large BuildKit's cache is, in bytes.

    Raises:
        HostError: the builder does not answer.
    """
    return read_total(_ask(run, env, cache_argv(builder)))


def _ask(run: Runner, env: Mapping[str, str], argv: list[str]) -> str:
    try:
        done = run(argv, env=env, timeout=_PATIENCE)
        reason = (done.stderr.strip().splitlines() or ["no answer"])[-1]
        if done.returncode == 0:
            return done.stdout
    except FileNotFoundError:
        reason = "the program docker is not installed"
    except subprocess.TimeoutExpired:
        reason = f"no answer within {_PATIENCE:.0f} s"
    raise HostError(
        f"the builder's cache cannot be pruned: {reason}",
        where=" ".join(argv[:3]),
        hint="`kiln doctor` says what this host lacks",
    )
