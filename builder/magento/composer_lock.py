"""composer.json, composer.lock and vendor/composer/installed.json.

What is read here decides the PHP version and extensions of the image, its bill of
materials, and whether `composer install` can work from the lock at all.
"""

import hashlib
import posixpath
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from builder.errors import TreeError
from builder.magento import php_json
from builder.magento.finding import Finding
from builder.magento.paths import is_excluded
from builder.magento.versions import Edition

COMPOSER_JSON = "composer.json"
COMPOSER_LOCK = "composer.lock"
INSTALLED_JSON = "vendor/composer/installed.json"

# Adobe Commerce requires the community edition: the more specific name comes first.
_EDITION_PACKAGES: Mapping[str, Edition] = {
    "magento/product-enterprise-edition": "enterprise",
    "mage-os/product-community-edition": "mage-os",
    "mage-os/product-minimal-edition": "mage-os",
    "magento/product-community-edition": "community",
}

# Composer\Package\Locker::getContentHash, the same in Composer 2.0 to 2.9.
_HASHED_KEYS = (
    "name",
    "version",
    "require",
    "require-dev",
    "conflict",
    "replace",
    "provide",
    "minimum-stability",
    "prefer-stable",
    "repositories",
    "extra",
)

# Composer\Repository\PlatformRepository::PLATFORM_PACKAGE_REGEX
_PLATFORM = re.compile(
    r"(?:php(?:-64bit|-ipv6|-zts|-debug)?|hhvm|(?:ext|lib)-[a-z0-9](?:[_.-]?[a-z0-9]+)*"
    r"|composer(?:-(?:plugin|runtime)-api)?)$",
    re.I,
)
_BRACES = re.compile(r"\{([^{}]*)\}")


@dataclass(frozen=True, slots=True)
class Package:
    """One locked package.

    Attributes:
        name: `vendor/name`, lower case as Composer compares it.
        version: as in the lock, e.g. `v1.3.1`.
        type: Composer's type, e.g. `magento2-module`.
        dist_type: `zip`, `path`, …; empty for a package without a dist.
        dist_url: where it is fetched from, or the directory of a `path` dist; may be empty.
        reference: the commit (or hash) of dist, else of source; may be empty.
        licences: SPDX expressions as the author wrote them.
        dev: True when only `require-dev` needs it.
        autoload: files and directories its production autoloader names, relative to its own
            root; `.` for the root.
    """

    name: str
    version: str
    type: str
    dist_type: str
    dist_url: str
    reference: str
    licences: tuple[str, ...]
    dev: bool
    autoload: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Product:
    """Which Magento this is.

    Attributes:
        edition: see `versions.Edition`.
        version: the edition's own, e.g. `2.4.7-p3`; Mage-OS counts its own.
    """

    edition: Edition
    version: str


@dataclass(frozen=True, slots=True)
class ComposerLock:
    """What composer.json and composer.lock say together.

    Attributes:
        packages: all locked packages, those of `require` first, in the lock's order.
        extensions: PHP extensions that the root and its non-dev packages require, sorted,
            lower case, without `ext-`.
        php: (package, constraint) of everything without dev that constrains PHP, the root
            first under the name `composer.json`.
        content_hash: as the lock says; empty in a lock older than Composer 1.0.
    """

    packages: tuple[Package, ...]
    extensions: tuple[str, ...]
    php: tuple[tuple[str, str], ...]
    content_hash: str

    def product(self) -> Product:
        """The Magento in the lock.

        Raises:
            TreeError: the lock holds no edition of Magento that Kiln knows.
        """
        versions = {package.name: package.version for package in self.packages if not package.dev}
        for name, edition in _EDITION_PACKAGES.items():
            if name in versions:
                return Product(edition, versions[name].removeprefix("v"))
        raise TreeError(
            "the lock file holds no Magento",
            where=COMPOSER_LOCK,
            hint=f"require one of {', '.join(_EDITION_PACKAGES)} and run `composer update`",
        )

    def autoload_paths(self) -> tuple[str, ...]:
        """Paths that `is_excluded` would leave out although production code is loaded from there.

        Relative to the tree's root, sorted; give them to `is_excluded` as `keep`.
        """
        named = (
            posixpath.normpath(f"vendor/{package.name}/{path}")
            for package in self.packages
            if not package.dev
            for path in package.autoload
        )
        return tuple(sorted({path for path in named if is_excluded(path)}))

    def path_folders(self, *, dev: bool) -> Mapping[str, str]:
        """The folders in the tree that path repositories take packages from, by package name.

        Args:
            dev: those that only `require-dev` needs, or the others.
        """
        return {
            package.name: folder
            for package in self.packages
            if package.dev is dev and package.dist_type == "path"
            if (folder := _tree_path(package.dist_url))
        }


@dataclass(frozen=True, slots=True)
class Installed:
    """vendor/composer/installed.json, read.

    Attributes:
        versions: installed version by package name.
        paths: install path by package name, relative to the tree's root with forward
            slashes, e.g. `vendor/phpunit/phpunit`; metapackages have none.
        dev_names: packages that only `require-dev` needs, sorted.
    """

    versions: Mapping[str, str]
    paths: Mapping[str, str]
    dev_names: tuple[str, ...]

    def dev_paths(self) -> tuple[str, ...]:
        """Install paths of the dev packages, sorted."""
        return tuple(sorted(self.paths[name] for name in self.dev_names if name in self.paths))


def parse_lock(composer_json: bytes, composer_lock: bytes) -> ComposerLock:
    """Read composer.json and composer.lock.

    Raises:
        TreeError: one of them is not JSON, or not what Composer writes.
    """
    root = php_json.parse_object(composer_json, COMPOSER_JSON)
    lock = php_json.parse_object(composer_lock, COMPOSER_LOCK)
    locked = [(entry, False) for entry in _packages_of(lock, "packages")]
    locked += [(entry, True) for entry in _packages_of(lock, "packages-dev")]

    requires = [(COMPOSER_JSON, _strings(root.get("require")))]
    requires += [(COMPOSER_LOCK, _strings(lock.get("platform")))]
    requires += [
        (entry["name"], _strings(entry.get("require"))) for entry, dev in locked if not dev
    ]
    extensions = {
        target.lower().removeprefix("ext-")
        for _, links in requires
        for target in links
        if target.lower().startswith("ext-")
    }
    return ComposerLock(
        packages=tuple(_package(entry, dev) for entry, dev in locked),
        extensions=tuple(sorted(extensions)),
        # lock.platform repeats the root's own constraint.
        php=tuple(
            (name, links["php"])
            for name, links in requires
            if "php" in links and name != COMPOSER_LOCK
        ),
        content_hash=str(lock.get("content-hash") or ""),
    )


def content_hash(composer_json: bytes) -> str:
    """The hash Composer 2 writes into the lock as `content-hash`, 32 hexadecimal digits.

    Source: Composer\\Package\\Locker::getContentHash.

    Raises:
        TreeError: composer.json is not JSON that PHP reads.
    """
    root = php_json.parse_object(composer_json, COMPOSER_JSON)
    relevant = {key: root[key] for key in _HASHED_KEYS if key in root}
    platform = _object(root.get("config")).get("platform")
    if platform is not None:
        relevant["config"] = {"platform": platform}
    try:
        encoded = php_json.encode(dict(sorted(relevant.items())))
    except ValueError as error:
        raise TreeError(f"the file is not what PHP reads: {error}", where=COMPOSER_JSON) from None
    return hashlib.md5(encoded.encode(), usedforsecurity=False).hexdigest()


def check_lock(composer_json: bytes, composer_lock: bytes) -> tuple[Finding, ...]:
    """What would make `composer install` differ from what composer.json asks for.

    Looks at the content hash, at required packages missing from the lock (Composer refuses
    those) and at path packages outside the tree (which no image build can see).

    Raises:
        TreeError: one of the files is not JSON, or not what Composer writes.
    """
    root = php_json.parse_object(composer_json, COMPOSER_JSON)
    lock = php_json.parse_object(composer_lock, COMPOSER_LOCK)
    findings = []
    if not _is_fresh(composer_json, lock):
        findings.append(
            Finding(
                "the lock file is not up to date with the latest changes in composer.json",
                where=_line_in(composer_lock, COMPOSER_LOCK, b'"content-hash"'),
                hint="run `composer update --lock`, then commit composer.lock",
            )
        )
    entries = _packages_of(lock, "packages")
    names = set()
    for entry in entries:
        names |= {entry["name"].lower(), *map(str.lower, _strings(entry.get("replace")))}
        names |= set(map(str.lower, _strings(entry.get("provide"))))
    for target in _strings(root.get("replace")) | _strings(root.get("provide")):
        names.add(target.lower())
    for target in _strings(root.get("require")):
        if target.lower() not in names and not _PLATFORM.match(target):
            findings.append(
                Finding(
                    f'required package "{target}" is not present in the lock file',
                    where=_line_in(composer_json, COMPOSER_JSON, f'"{target}"'.encode()),
                    hint=f"run `composer update {target}`, then commit composer.lock",
                )
            )
    for entry in entries:
        package = _package(entry, dev=False)
        if package.dist_type == "path" and not _tree_path(package.dist_url):
            findings.append(
                Finding(
                    f'package "{package.name}" comes from {package.dist_url}, outside the tree',
                    where=_line_in(composer_lock, COMPOSER_LOCK, f'"{entry["name"]}"'.encode()),
                    hint="move it into the tree and change the path repository's url",
                )
            )
    return tuple(findings)


def local_inputs(composer_json: bytes) -> tuple[str, ...]:
    """Paths in the tree that `composer install` reads besides composer.json and the lock.

    Path and artifact repositories, and patches of cweagans/composer-patches (1 and 2).
    A patches file (`patches_files`) names further patches.

    Returns:
        Files, directories and globs (`*`, `?`), relative to the root, sorted. A directory
        stands for all below it. They need not exist. Paths outside the tree are left out;
        `check_lock` reports the packages that come from there.

    Raises:
        TreeError: composer.json is not JSON.
    """
    root = php_json.parse_object(composer_json, COMPOSER_JSON)
    extra = _object(root.get("extra"))
    found: list[str] = []
    repositories = root.get("repositories")
    if isinstance(repositories, dict):
        repositories = list(repositories.values())
    for repository in repositories if isinstance(repositories, list) else []:
        entry = _object(repository)
        if entry.get("type") in ("path", "artifact") and isinstance(entry.get("url"), str):
            found += _expand_braces(entry["url"])
    found += _patch_paths(extra.get("patches"))
    found += patches_files(composer_json)
    return tuple(sorted({path for item in found if (path := _tree_path(item))}))


def patches_files(composer_json: bytes) -> tuple[str, ...]:
    """Files of the tree that may name patches in turn: give their content to `patch_inputs`.

    They need not exist.

    Raises:
        TreeError: composer.json is not JSON.
    """
    root = php_json.parse_object(composer_json, COMPOSER_JSON)
    extra = _object(root.get("extra"))
    found: list[str] = []
    settings = _object(extra.get("composer-patches"))
    for patches_file in (extra.get("patches-file"), settings.get("patches-file")):
        if isinstance(patches_file, str):
            found.append(patches_file)
        elif isinstance(patches_file, list):
            found += [item for item in patches_file if isinstance(item, str)]
    if "cweagans/composer-patches" in _strings(root.get("require")):
        # Version 2 looks for these without being told:
        # https://docs.cweagans.net/composer-patches/usage/defining-patches/
        found += ["patches.json", "patches.lock.json"]
    return tuple(sorted({path for item in found if (path := _tree_path(item))}))


def patch_inputs(patches_file: bytes, where: str) -> tuple[str, ...]:
    """Patches in the tree that a patches file (extra.patches-file) names, sorted.

    Args:
        patches_file: the file's content.
        where: the file's path for messages.

    Raises:
        TreeError: the file is not JSON.
    """
    patches = php_json.parse_object(patches_file, where).get("patches")
    return tuple(sorted({path for item in _patch_paths(patches) if (path := _tree_path(item))}))


def parse_installed(installed_json: bytes) -> Installed:
    """Read vendor/composer/installed.json as Composer 2 writes it.

    Raises:
        TreeError: the file is not JSON, or not of Composer 2.
    """
    content = php_json.parse_object(installed_json, INSTALLED_JSON)
    entries = _packages_of(content, "packages", INSTALLED_JSON)
    paths = {}
    for entry in entries:
        path = entry.get("install-path")
        if isinstance(path, str):
            # Relative to vendor/composer; null for a metapackage.
            paths[entry["name"].lower()] = posixpath.normpath(f"vendor/composer/{path}")
    dev_names = content.get("dev-package-names")
    return Installed(
        versions={entry["name"].lower(): str(entry.get("version", "")) for entry in entries},
        paths=paths,
        dev_names=tuple(
            sorted(str(name).lower() for name in dev_names) if isinstance(dev_names, list) else ()
        ),
    )


def compare_installed(lock: ComposerLock, installed: Installed) -> tuple[Finding, ...]:
    """Where vendor/ differs from the lock: non-dev packages missing, or of another version."""
    findings = []
    for package in lock.packages:
        if package.dev:
            continue
        version = installed.versions.get(package.name)
        if version is None:
            problem = "is locked but not installed in vendor/"
        elif version != package.version:
            problem = f"is locked as {package.version} but installed as {version}"
        else:
            continue
        findings.append(
            Finding(
                f"package {package.name} {problem}",
                where=INSTALLED_JSON,
                hint="run `composer install`, or remove vendor/ and let the build do it",
            )
        )
    return tuple(findings)


def _package(entry: dict[str, Any], dev: bool) -> Package:
    dist, source = _object(entry.get("dist")), _object(entry.get("source"))
    licences = entry.get("license")
    if isinstance(licences, str):
        licences = [licences]
    return Package(
        name=entry["name"].lower(),
        version=str(entry.get("version", "")),
        type=str(entry.get("type", "library")),
        dist_type=str(dist.get("type") or ""),
        dist_url=str(dist.get("url") or ""),
        reference=str(dist.get("reference") or source.get("reference") or ""),
        licences=tuple(str(item) for item in licences) if isinstance(licences, list) else (),
        dev=dev,
        autoload=tuple(_autoload(_object(entry.get("autoload")))),
    )


def _autoload(autoload: dict[str, Any]) -> Iterator[str]:
    for kind in ("psr-4", "psr-0", "classmap", "files"):
        # psr-4 and psr-0 map a prefix to a path or several, the others are lists.
        pending = [autoload.get(kind)]
        while pending:
            value = pending.pop()
            if isinstance(value, dict):
                pending += value.values()
            elif isinstance(value, list):
                pending += value
            elif isinstance(value, str):
                yield posixpath.normpath(value)


def _packages_of(
    content: dict[str, Any], key: str, where: str = COMPOSER_LOCK
) -> list[dict[str, Any]]:
    entries = content.get(key)
    # A lock made without dev packages has `"packages-dev": null`.
    if entries is None and key == "packages-dev":
        return []
    if not isinstance(entries, list) or not all(
        isinstance(entry, dict) and isinstance(entry.get("name"), str) for entry in entries
    ):
        raise TreeError(
            f"`{key}` is not the list of packages that Composer 2 writes",
            where=where,
            hint="write it again with Composer 2: `composer update --lock` or `composer install`",
        )
    return entries


def _is_fresh(composer_json: bytes, lock: dict[str, Any]) -> bool:
    if lock.get("content-hash"):
        return bool(lock["content-hash"] == content_hash(composer_json))
    # Before Composer 1.0 the hash was of the file itself.
    return bool(lock.get("hash") == hashlib.md5(composer_json, usedforsecurity=False).hexdigest())


def _patch_paths(patches: object) -> Iterator[str]:
    """Local files below `patches`: {package: {description: path}} or [{"url": path}]."""
    pending = [patches]
    while pending:
        value = pending.pop()
        if isinstance(value, dict):
            url = value.get("url")
            pending += [url] if isinstance(url, str) else value.values()
        elif isinstance(value, list):
            pending += value
        elif isinstance(value, str) and "://" not in value:
            yield value


def _expand_braces(pattern: str) -> list[str]:
    """`a/{b,c}/*` as `a/b/*` and `a/c/*`: Composer globs with GLOB_BRACE."""
    pending, done = [pattern], list[str]()
    while pending and len(done) + len(pending) <= 1000:
        item = pending.pop()
        if match := _BRACES.search(item):
            pending += [
                item[: match.start()] + choice + item[match.end() :]
                for choice in match[1].split(",")
            ]
        else:
            done.append(item)
    return done


def _tree_path(path: str) -> str:
    """A path relative to the root in its shortest form, or empty when it leaves the tree."""
    if path.startswith(("/", "~", "$", "file:", "\\")) or re.match(r"[A-Za-z]:", path):
        return ""
    normal = posixpath.normpath(path)
    return "" if normal in ("", ".") or normal.split("/")[0] == ".." else normal


def _line_in(content: bytes, name: str, needle: bytes) -> str:
    position = content.find(needle)
    line = content.count(b"\n", 0, position) + 1
    return name if position < 0 else f"{name}:{line}"


def _object(value: object) -> dict[str, Any]:
    # PHP writes an empty object as [].
    return value if isinstance(value, dict) else {}


def _strings(value: object) -> dict[str, str]:
    return {key: str(item) for key, item in _object(value).items()}
