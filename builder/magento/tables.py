"""Reads the tables of facts (YAML) that are part of this package."""

from importlib import resources
from typing import Any

import yaml


def read_table(name: str) -> Any:
    """Read a YAML file of this package.

    Every scalar is a string: PyYAML would read the version 8.10 as 8.1 and `no` as False
    (reference/builds.md, trap 12). The tests refuse duplicate keys, which PyYAML keeps
    silent about.

    Args:
        name: the file's name, e.g. `versions.yaml`.
    """
    text = resources.files("builder.magento").joinpath(name).read_text(encoding="utf-8")
    # BaseLoader builds str, list and dict only; ruff's S506 does not know it.
    return yaml.load(text, Loader=yaml.BaseLoader)
