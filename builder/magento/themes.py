"""Themes, what each is made from, and which of them a view file is for."""

import posixpath
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass

from builder.magento.components import Components
from builder.magento.config_php import ConfigPhp
from builder.magento.xml import parse_xml

# A theme's assets, its own and those that it lays over a module's: Magento\Deploy\Source\Themes
# and Magento\Framework\View\Design\Fallback\RulePool (2.4.7). Not its translations, which Magento
# keeps in a cache for all themes.
_THEME_ASSETS = re.compile(r"(?:[A-Z]\w*_[A-Z]\w*/)?(?:web/|requirejs-config\.js$)")
# In these Magento looks for phrases to translate, in those of all themes of an area:
# Magento\Framework\App\Utility\Files::getThemePaths (2.4.7) leaves out which theme it is asked for.
_WITH_PHRASES = (".js", ".html")
# A module's view files of one area; those in view/base are for both.
_AREA_ASSETS = re.compile(r"app/code/(?:[^/]+/)+view/(?P<area>adminhtml|frontend)/")


@dataclass(frozen=True, slots=True)
class Theme:
    """One theme.

    Attributes:
        name: area/Vendor/theme.
        directory: its root, relative to the tree's; None where Composer brings it.
        ancestors: names of the themes that it inherits from, the nearest first; None where nothing
            tells what one of them inherits from.
    """

    name: str
    directory: str | None
    ancestors: tuple[str, ...] | None


def read_themes(
    components: Components, config: ConfigPhp, read: Callable[[str], bytes | None]
) -> tuple[Theme, ...]:
    """The themes of a tree and of config.php, by name. Pure, but for `read`.

    A parent is named in theme.xml, which is what Magento goes by where it has no database
    (Magento\\Theme\\Model\\Theme\\Data\\Collection); config.php's word counts for themes that are
    not in the tree.

    Args:
        components: of the tree.
        config: app/etc/config.php.
        read: a file of the tree, or None where it is not there.

    Raises:
        TreeError: a theme.xml is not XML.
    """
    directories = {name: one.directory for name, one in components.of("theme").items()}
    parents = {name: row.get("parent_id") for name, row in config.themes.items()}
    for name, directory in directories.items():
        path = posixpath.join(directory, "theme.xml")
        if (content := read(path)) is not None:
            parents[name] = parse_xml(content, path).findtext("parent")
    names = sorted({*directories, *config.themes})
    return tuple(Theme(name, directories.get(name), _ancestors(name, parents)) for name in names)


def _ancestors(name: str, parents: Mapping[str, object]) -> tuple[str, ...] | None:
    area = name.partition("/")[0]
    found: list[str] = []
    while name in parents:
        parent = str(parents[name] or "").strip()
        name = f"{area}/{parent}"
        # Where themes inherit from each other in a circle, Magento says so as it deploys them.
        if not parent or name in found:
            return tuple(found)
        found.append(name)
    return None


def scope_of(path: str, folders: Mapping[str, str]) -> str | None:
    """What a view file of the shop's own is for: an area or a theme's full name; None for all.

    Static content of another area, or of a theme that does not inherit from this one, is made
    without it: Magento\\Deploy\\Source\\{Modules,Themes} look nowhere else, nor does
    Magento\\Translation\\Model\\Js\\DataProvider, but for scripts and markup of themes (2.4.7).

    Args:
        path: of a file that is for deployment (`kind_of` says "view"), relative to the tree's root.
        folders: the themes' names by directory.
    """
    # With minify_html any deployment writes the templates of all.
    if path.endswith(".phtml"):
        return None
    for folder, theme in folders.items():
        if path.startswith(f"{folder}/") and _THEME_ASSETS.match(path, len(folder) + 1):
            return theme.partition("/")[0] if path.endswith(_WITH_PHRASES) else theme
    found = _AREA_ASSETS.match(path)
    return found["area"] if found else None
