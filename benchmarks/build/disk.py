"""Keeps the disk from filling: a benchmark makes some GB a build."""

import shutil
import subprocess
from collections.abc import Collection
from pathlib import Path

from tests.integration.registry_server import DockerRegistry

# BuildKit's cache shrinks to this where less than that is free. It is the machine's, so what was
# used last stays, and with it what the next build takes from the cache.
_KEPT_CACHE = "15GB"
_FREE_BYTES = 12_000_000_000
# What is smaller are manifests, configurations and papers.
_LARGE_BYTES = 1_000_000


def drop_blobs(registry: DockerRegistry, keep: Collection[str]) -> None:
    """Remove large blobs from the benchmark's own registry; nothing may be pushed meanwhile.

    Args:
        registry: it keeps no list of its blobs but the files.
        keep: digests that stay.
    """
    for data in registry.storage_files("blobs/sha256/*/*/data"):
        if f"sha256:{data.parent.name}" not in keep and data.stat().st_size > _LARGE_BYTES:
            shutil.rmtree(data.parent)


def bound_build_cache(folder: Path) -> None:
    """Shrink BuildKit's cache where the disk of a folder, which the engine shares, gets full."""
    if shutil.disk_usage(folder).free < _FREE_BYTES:
        argv = ["docker", "buildx", "prune", "--force", "--keep-storage", _KEPT_CACHE]
        subprocess.run(argv, capture_output=True, check=True)
