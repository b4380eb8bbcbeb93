"""What a tree holds, and whether it can be built: all facts and all problems at once. Pure."""

import difflib
import posixpath
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path

import pathspec

from builder.errors import TreeError
from builder.magento.committed_settings import find_committed_secrets, warn_system_specific
from builder.magento.components import Components, read_components
from builder.magento.composer_lock import (
    ComposerLock,
    Package,
    check_lock,
    compare_installed,
    local_inputs,
    parse_installed,
    parse_lock,
    patch_inputs,
    patches_files,
)
from builder.magento.config_php import CONFIG_PHP, ConfigPhp, read_config_php
from builder.magento.encrypted import read_encrypted
from builder.magento.finding import Finding
from builder.magento.locales import is_locale, nearest_locales
from builder.magento.module_files import locate_modules
from builder.magento.paths import is_excluded
from builder.magento.themes import Theme, read_themes
from builder.magento.type_pool import read_tree_type_pool
from builder.magento.versions import load_versions
from builder.project.environments import secret_folders
from builder.project.loading import Project
from builder.project.tree import Tree

INSTALLED_JSON = "vendor/composer/installed.json"
_DUMP = "run `bin/magento app:config:dump scopes themes` on a development system and commit it"


@dataclass(frozen=True, slots=True)
class Platform:
    """What a shop runs on.

    Attributes:
        php_packages: Debian packages with PHP, its extensions and nginx.
        suite: the Debian release that carries the PHP version; None where none does.
    """

    edition: str
    version: str
    php_version: str
    php_packages: tuple[str, ...]
    suite: str | None


@dataclass(frozen=True, slots=True)
class Shop:
    """What was found in a tree.

    Attributes:
        php_packages: Debian packages with PHP and its extensions, sorted.
        suite: the Debian release that carries the PHP version; None where none does.
        has_vendor: the tree brings its Composer packages along.
        packages: of composer.lock, without those for development.
        composer_inputs: files that `composer install` reads.
        minify_html: templates are minified into var/view_preprocessed.
        kept_paths: folders that packages need although they are named like tests.
        themes: of the tree and of config.php, by name.
    """

    edition: str
    version: str
    php_version: str
    php_packages: tuple[str, ...]
    suite: str | None
    has_vendor: bool
    packages: tuple[Package, ...]
    composer_inputs: frozenset[str]
    minify_html: bool
    kept_paths: tuple[str, ...]
    themes: tuple[Theme, ...]


@dataclass(frozen=True, slots=True)
class Report:
    """What `kiln lint` says: problems stop a build, warnings do not."""

    problems: tuple[Finding, ...]
    warnings: tuple[Finding, ...]


def exclusion_for(
    project: Project, installed_json: bytes | None, lock: ComposerLock | None
) -> Callable[[str], bool]:
    """Which paths of the tree stay out of the image.

    Args:
        project: for `build.exclude`, and for the secrets that lie in the tree.
        installed_json: vendor/composer/installed.json, for the development packages.
        lock: for the sources of development packages, and for folders that packages load classes
            from although they are named like tests.
    """
    own = pathspec.GitIgnoreSpec.from_lines(project.file.build.exclude)
    has_own = bool(project.file.build.exclude)
    kept = lock.autoload_paths() if lock else ()
    developing = [
        *(parse_installed(installed_json).dev_paths() if installed_json else ()),
        *(lock.path_folders(dev=True).values() if lock else ()),
    ]
    kept_out = {
        *(f"{path}/" for path in developing),
        *_secret_files(project),
        *_secret_folders(project),
    }

    def excluded(path: str) -> bool:
        return is_excluded(path, kept) or path in kept_out or (has_own and own.match_file(path))

    return excluded


def _secret_folders(project: Project) -> frozenset[str]:
    """Folders of run-time secrets; each also as the link that it may be."""
    named = [posixpath.relpath(one, project.root) for one in secret_folders(project.root)]
    return frozenset(form for one in named for form in (one, f"{one}/"))


def _secret_files(project: Project) -> frozenset[str]:
    """The files of the tree that kiln.yaml names as secrets or signing keys."""
    file = project.file
    sources = [*file.build.secrets.values(), file.sign.password]
    named = [source.file for source in sources if source is not None] + [file.sign.key]
    # A file outside of the tree becomes a path that begins with `..` and names none of its files.
    return frozenset(posixpath.relpath(project.root / one, project.root) for one in named if one)


def read_lock(root: Path) -> ComposerLock | None:
    """composer.json and composer.lock of a tree, or None where one of them is missing.

    Raises:
        TreeError: composer.json or composer.lock cannot be read.
    """
    try:
        texts = [(root / name).read_bytes() for name in ("composer.json", "composer.lock")]
    except OSError:
        # inspect_shop says so, with all else that is wrong.
        return None
    return parse_lock(*texts)


def require_lock(root: Path) -> ComposerLock:
    """composer.json and composer.lock of a tree that must have them.

    Raises:
        TreeError: one of them is missing or cannot be read.
    """
    lock = read_lock(root)
    if lock is None:
        raise TreeError(
            "there is no composer.json with a composer.lock",
            where=str(root),
            hint="go to the shop's root; run `composer update` if it has no composer.lock yet",
        )
    return lock


def inspect_platform(project: Project, lock: ComposerLock) -> Platform:
    """What a shop runs on, from composer.lock and kiln.yaml alone.

    Raises:
        TreeError: Kiln does not know the version, or nothing carries the PHP that it needs.
    """
    edition, version = _product(project, lock)
    php_version, suite = _php(project, edition, version)
    extensions = {*lock.extensions, *project.file.php.extensions, "opcache", "pcntl"}
    return Platform(
        edition=edition,
        version=version,
        php_version=php_version,
        php_packages=(
            *load_versions().php_packages(php_version, sorted(extensions)),
            f"php{php_version}-cli",
            f"php{php_version}-fpm",
            "nginx-light",
        ),
        suite=suite,
    )


def inspect_shop(project: Project, tree: Tree) -> tuple[Shop, Report]:
    """Read everything that a build depends on.

    Raises:
        TreeError: a file that all else depends on is missing or cannot be read.
    """
    paths = tree.paths()
    composer_json = _required(
        tree, paths, "composer.json", "go to the shop's root, or name it with --project"
    )
    composer_lock = _required(tree, paths, "composer.lock", "run `composer update` and commit it")
    config = read_config_php(_required(tree, paths, CONFIG_PHP, _DUMP))
    lock = parse_lock(composer_json, composer_lock)
    platform = inspect_platform(project, lock)
    has_vendor = "vendor/autoload.php" in paths and INSTALLED_JSON in paths
    problems: list[Finding] = list(check_lock(composer_json, composer_lock))
    warnings: list[Finding] = list(config.findings)
    if has_vendor:
        problems += compare_installed(lock, parse_installed(tree.read(INSTALLED_JSON)))
        if "bin/magento" not in paths:
            problems.append(
                Finding("the tree has vendor/ but no bin/magento", "bin", "run `composer install`")
            )
    # Where vendor/ has a copy of a package, nothing is loaded from the folder that it came from.
    copied = tuple(
        f"{folder}/"
        for name, folder in lock.path_folders(dev=False).items()
        if f"vendor/{name}/composer.json" in paths
    )
    components = read_components(
        (path, tree.read(path))
        for path in sorted(paths)
        if path.endswith("registration.php") and not path.startswith(copied)
    )
    warnings += components.findings
    problems += check_modules(config, components, has_vendor)
    problems += check_scopes(config)
    problems += check_themes(project, config, components, has_vendor)
    modules = locate_modules(config.enabled_modules(), components)
    pool = read_tree_type_pool(tree, modules)
    problems += find_committed_secrets(config, pool, read_encrypted(tree, modules))
    warnings += warn_system_specific(config, pool)
    problems += _check_files(project, tree)
    shop = Shop(
        edition=platform.edition,
        version=platform.version,
        php_version=platform.php_version,
        php_packages=platform.php_packages,
        suite=platform.suite,
        has_vendor=has_vendor,
        packages=tuple(package for package in lock.packages if not package.dev),
        composer_inputs=_composer_inputs(project, tree, composer_json),
        minify_html=_minifies_html(config),
        kept_paths=lock.autoload_paths(),
        themes=read_themes(
            components, config, lambda path: tree.read(path) if path in paths else None
        ),
    )
    return shop, Report(tuple(problems), tuple(warnings))


def check_modules(config: ConfigPhp, components: Components, has_vendor: bool) -> Iterator[Finding]:
    """Modules of the tree that config.php does not list, and the other way round."""
    found = set(components.of("module"))
    if not config.modules:
        yield Finding(
            "config.php lists no modules", CONFIG_PHP, "run `bin/magento module:enable --all`"
        )
        return
    if missing := sorted(found - set(config.modules)):
        yield Finding(
            f"config.php does not list {_some(missing)}",
            config.where("modules"),
            "run `bin/magento module:enable` for them (or `module:disable`) on a development "
            "system and commit the file",
        )
    gone = sorted(name for name in config.enabled_modules() if name not in found)
    if has_vendor and gone:
        yield Finding(
            f"config.php enables {_some(gone)}, which the tree does not have",
            config.where("modules", gone[0]),
            "run `bin/magento setup:upgrade` on a development system and commit the file",
        )


def check_scopes(config: ConfigPhp) -> Iterator[Finding]:
    """Websites, groups and store views, without which static content stops late."""
    missing = [
        name
        for name, rows in (
            ("websites", config.websites),
            ("groups", config.groups),
            ("stores", config.stores),
        )
        if not rows
    ]
    if missing:
        yield Finding(
            f"config.php has no scopes: {', '.join(missing)} are missing", CONFIG_PHP, _DUMP
        )
    elif not any(str(row.get("is_default")) == "1" for row in config.websites.values()):
        yield Finding(
            "config.php has no default website", config.where("scopes", "websites"), _DUMP
        )


def check_themes(
    project: Project, config: ConfigPhp, components: Components, has_vendor: bool
) -> Iterator[Finding]:
    """The themes and locales of kiln.yaml against the tree and config.php."""
    found = set(components.of("theme"))
    if not config.themes:
        yield Finding("config.php has no themes", CONFIG_PHP, _DUMP)
    for theme, locales in project.file.static.themes.items():
        where = project.where("static", "themes", theme)
        known = found if has_vendor else found | set(config.themes)
        if theme not in known:
            near = difflib.get_close_matches(theme, sorted(known), n=1)
            hint = (
                f"write {near[0]}, if you mean that"
                if near
                else f"use one of {_some(sorted(known))}"
            )
            yield Finding(f"there is no theme {theme} in the tree", where, hint)
        elif config.themes and theme not in config.themes:
            yield Finding(
                f"config.php does not list the theme {theme}", config.where("themes"), _DUMP
            )
        for locale in locales:
            if not is_locale(locale):
                near = nearest_locales(locale)
                yield Finding(
                    f"{locale} is not a locale that Magento knows",
                    where,
                    f"write {near[0]}, if you mean that" if near else "write it like en_US",
                )


def refuse_problems(report: Report) -> None:
    """End with all problems at once, if there are any.

    Raises:
        TreeError: there is at least one.
    """
    if not report.problems:
        return
    if len(report.problems) == 1:
        (only,) = report.problems
        raise TreeError(only.message, where=only.where, hint=only.hint)
    raise TreeError(
        f"the tree has {len(report.problems)} problems",
        hint="mend them all; `kiln lint` looks again",
        details=tuple(f"{one.where}: {one.message}\n    {one.hint}" for one in report.problems),
    )


def _required(tree: Tree, paths: frozenset[str], path: str, hint: str) -> bytes:
    if path not in paths:
        raise TreeError(f"there is no {path}", where=str(tree.root), hint=hint)
    return tree.read(path)


def _product(project: Project, lock: ComposerLock) -> tuple[str, str]:
    said = project.file.magento
    if said.edition != "auto" and said.version != "auto":
        return said.edition, said.version
    product = lock.product()
    return (
        product.edition if said.edition == "auto" else said.edition,
        product.version if said.version == "auto" else said.version,
    )


def _php(project: Project, edition: str, version: str) -> tuple[str, str | None]:
    """The PHP version and the Debian release that carries it."""
    table = load_versions()
    supported = table.supported_php(edition, version)  # type: ignore[arg-type]
    wanted = project.file.php.version
    own_base = project.file.base.is_own
    if wanted == "auto":
        carried = [one for one in supported if own_base or one in table.debian]
        if not carried:
            raise TreeError(
                f"Magento {version} runs on PHP {', '.join(supported)}, which no Debian release "
                "of Kiln's carries",
                where=project.where("php"),
                hint="set base.image to a Debian-based image whose package sources have it",
            )
        wanted = carried[-1]
    elif wanted not in supported:
        raise TreeError(
            f"Magento {version} does not run on PHP {wanted}",
            where=project.where("php", "version"),
            hint=f"use one of {', '.join(supported)}",
        )
    elif not own_base and wanted not in table.debian:
        raise TreeError(
            f"no Debian release of Kiln's carries PHP {wanted}",
            where=project.where("php", "version"),
            hint="set base.image to a Debian-based image whose package sources have it",
        )
    return wanted, table.debian.get(wanted)


def _check_files(project: Project, tree: Tree) -> Iterator[Finding]:
    file = project.file
    paths = tree.paths()
    for at, pattern in enumerate(file.hooks.patches):
        if not any(True for _ in matching_paths(paths, [pattern])):
            yield Finding(
                f"no file matches {pattern}", project.where("hooks", "patches", at), "add the patch"
            )
    for at, one in enumerate(file.hooks.frontend):
        if not any(path.startswith(f"{one.directory.rstrip('/')}/") for path in paths):
            yield Finding(
                f"there is no folder {one.directory}",
                project.where("hooks", "frontend", at, "directory"),
                "name the folder with package.json",
            )


def _composer_inputs(project: Project, tree: Tree, composer_json: bytes) -> frozenset[str]:
    paths = tree.paths()
    patterns = [*local_inputs(composer_json), *project.file.build.composer_inputs]
    for name in sorted(paths.intersection(patches_files(composer_json))):
        patterns += patch_inputs(tree.read(name), name)
    return frozenset({"composer.json", "composer.lock", *matching_paths(paths, patterns)})


def matching_paths(paths: Iterable[str], patterns: Iterable[str]) -> list[str]:
    """The paths that a pattern of .gitignore's kind names, from the root; sorted."""
    spec = pathspec.GitIgnoreSpec.from_lines(f"/{pattern.lstrip('/')}" for pattern in patterns)
    return sorted(spec.match_files(paths))


def _minifies_html(config: ConfigPhp) -> bool:
    return any(
        setting.path == "dev/template/minify_html" and str(setting.value) == "1"
        for setting in config.flatten_system()
    )


def _some(names: list[str]) -> str:
    shown = ", ".join(names[:10])
    return shown if len(names) <= 10 else f"{shown} and {len(names) - 10} more"
