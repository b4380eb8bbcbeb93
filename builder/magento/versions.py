"""Which PHP, Composer and services a Magento release runs on, and Debian's names for them."""

import functools
import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Literal

from builder.errors import TreeError
from builder.magento.tables import read_table

Edition = Literal["community", "enterprise", "mage-os"]

_RELEASE = re.compile(r"v?(\d+(?:\.\d+)*)(?:[-+.]?(?:p|patch|beta|alpha|rc|dev).*)?$", re.I)


@dataclass(frozen=True, slots=True)
class VersionRange:
    """The versions of a service that a release line supports.

    Attributes:
        minimum: the lowest, e.g. `10.6`.
        maximum: the highest, e.g. `11.8`; its later patches count as supported.
    """

    minimum: str
    maximum: str


@dataclass(frozen=True, slots=True)
class ReleaseLine:
    """One Magento release line.

    Attributes:
        name: e.g. `2.4.7`.
        php: supported PHP versions, lowest first, e.g. `("8.2", "8.3")`.
        composer_minimum: the lowest supported Composer, e.g. `2.9.3`.
        services: ranges by service (`mariadb`, `opensearch`, `rabbitmq`, `redis`, `valkey`,
            `varnish`); a service that is not supported is missing.
    """

    name: str
    php: tuple[str, ...]
    composer_minimum: str
    services: Mapping[str, VersionRange]


@dataclass(frozen=True, slots=True)
class Extension:
    """Where Debian keeps a PHP extension.

    Attributes:
        name: as in composer.json, without `ext-`.
        package: suffix of php<version>-<suffix>; empty where cli and fpm bring it along.
        until: the last PHP version packaged so, or empty.
        built_in_since: the first PHP version that needs no package, or empty.
    """

    name: str
    package: str
    until: str = ""
    built_in_since: str = ""


@dataclass(frozen=True, slots=True)
class VersionTable:
    """versions.yaml, read.

    Attributes:
        lines: release lines by name.
        mage_os: prefix of a Mage-OS version -> name of its Magento line.
        debian: PHP version -> Debian release with it in main; one that none has is missing.
        extensions: by name.
    """

    lines: Mapping[str, ReleaseLine]
    mage_os: Mapping[str, str]
    debian: Mapping[str, str]
    extensions: Mapping[str, Extension]

    def line(self, version: str) -> ReleaseLine:
        """The release line of a Magento version such as `2.4.7-p3`.

        Raises:
            TreeError: the version is of no line in the table.
        """
        match = _RELEASE.match(version)
        parts = match[1].split(".") if match else []
        line = self.lines.get(".".join(parts[:3]))
        if line is None:
            raise TreeError(
                f"Magento {version} is of no release line that Kiln knows",
                where="composer.lock",
                hint=f"use one of {', '.join(self.lines)}",
            )
        return line

    def line_of(self, edition: Edition, version: str) -> ReleaseLine:
        """The Magento release line of an edition's version; Mage-OS counts its own.

        Raises:
            TreeError: the version is of no line in the table.
        """
        if edition != "mage-os":
            return self.line(version)
        match = _RELEASE.match(version)
        parts = match[1].split(".") if match else []
        for length in range(len(parts), 0, -1):
            name = self.mage_os.get(".".join(parts[:length]))
            if name is not None:
                return self.lines[name]
        raise TreeError(
            f"Mage-OS {version} is of no release line that Kiln knows",
            where="composer.lock",
            hint=f"use a release of Mage-OS {', '.join(p for p in self.mage_os if '.' not in p)}",
        )

    def magento_version(self, edition: Edition, version: str) -> str:
        """The Magento version that an edition's version behaves as: for Mage-OS its line's name.

        Raises:
            TreeError: the version is of no line in the table.
        """
        return self.line_of(edition, version).name if edition == "mage-os" else version

    def supported_php(self, edition: Edition, version: str) -> tuple[str, ...]:
        """The PHP versions an edition's version is supported on, lowest first.

        Raises:
            TreeError: the version is of no line in the table.
        """
        return self.line_of(edition, version).php

    def php_packages(self, php_version: str, extensions: Iterable[str]) -> tuple[str, ...]:
        """The Debian packages that bring these extensions, sorted, each once.

        php<version>-cli and -fpm are not among them.

        Args:
            php_version: e.g. `8.2`.
            extensions: names with or without `ext-`, in any case.

        Raises:
            TreeError: Debian has no package for one or more of them; all are named.
        """
        wanted = parse_version(php_version)
        packages: set[str] = set()
        unknown: list[str] = []
        for name in extensions:
            extension = self.extensions.get(name.lower().removeprefix("ext-"))
            if extension is None or (extension.until and wanted > parse_version(extension.until)):
                unknown.append(name.lower().removeprefix("ext-"))
            elif extension.package and not (
                extension.built_in_since and wanted >= parse_version(extension.built_in_since)
            ):
                packages.add(f"php{php_version}-{extension.package}")
        if unknown:
            names = ", ".join(f"ext-{name}" for name in sorted(set(unknown)))
            raise TreeError(
                f"Kiln knows no Debian package of PHP {php_version} for {names}",
                where="composer.lock",
                hint="name the packages that bring it under php.packages in kiln.yaml",
            )
        return tuple(sorted(packages))


def parse_version(version: str) -> tuple[int, ...]:
    """`8.10` as `(8, 10)`, to compare versions by.

    Raises:
        ValueError: a part is not a number.
    """
    return tuple(int(part) for part in version.split("."))


@functools.cache
def load_versions() -> VersionTable:
    """Read versions.yaml."""
    table = read_table("versions.yaml")
    return VersionTable(
        lines={
            name: ReleaseLine(
                name=name,
                php=tuple(line["php"]),
                composer_minimum=line["composer"],
                services={key: VersionRange(*bounds) for key, bounds in line["services"].items()},
            )
            for name, line in table["releases"].items()
        },
        mage_os=table["mage_os"],
        debian=table["debian"],
        extensions={name: Extension(name, **row) for name, row in table["extensions"].items()},
    )
