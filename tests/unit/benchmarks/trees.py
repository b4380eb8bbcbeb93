"""What is in a tree."""

import hashlib
from pathlib import Path


def digests(tree: Path) -> dict[str, str]:
    """A digest of each file's content by its path in the tree."""
    return {
        str(path.relative_to(tree)): hashlib.sha256(path.read_bytes()).hexdigest()
        for path in sorted(tree.rglob("*"))
        if path.is_file()
    }
