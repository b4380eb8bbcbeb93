"""What `kiln init` writes into kiln.yaml, from the tree that it finds."""

import json
import re
from pathlib import Path
from typing import Any

from builder.errors import TreeError
from builder.magento.config_php import CONFIG_PHP, read_config_php

_BACKEND = "adminhtml/Magento/backend"


def suggest_settings(root: Path) -> dict[str, Any]:
    """Name, themes and locales for a tree; plain defaults where it does not tell.

    Args:
        root: the shop's root.
    """
    themes: list[str] = []
    locale = "en_US"
    try:
        config = read_config_php((root / CONFIG_PHP).read_bytes())
        themes = sorted(theme for theme in config.themes if theme != _BACKEND)
        for setting in config.flatten_system():
            if setting.path == "general/locale/code" and isinstance(setting.value, str):
                locale = setting.value
                break
    except (OSError, TreeError):
        # A tree that is not ready yet; `kiln lint` says what is missing.
        themes = []
    frontend = [theme for theme in themes if not theme.startswith("adminhtml/")]
    # Parents that no store shows need no content of their own; the user takes them out.
    chosen = {theme: [locale] for theme in frontend or ["frontend/Magento/luma"]}
    return {
        "name": _name(root),
        "static": {"themes": {**chosen, _BACKEND: ["en_US"]}},
    }


def _name(root: Path) -> str:
    name = root.resolve().name
    try:
        said = json.loads((root / "composer.json").read_bytes()).get("name")
        # Magento's own project template names no shop.
        if isinstance(said, str) and not said.startswith("magento/project-"):
            name = said.rpartition("/")[2]
    except (OSError, ValueError, AttributeError):
        pass
    return re.sub(r"[^a-z0-9]+", "-", name.lower()).strip("-") or "shop"
