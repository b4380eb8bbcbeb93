"""The model of kiln.yaml.

Validation, the JSON Schema (`kiln schema`), the sample that `kiln init` writes and the
reference documentation all come from these classes; a field's description is its documentation.
"""

import re
from pathlib import PurePosixPath
from typing import Annotated, Literal

from pydantic import (
    AfterValidator,
    Field,
    StrictStr,
    model_validator,
)

from builder.project.frozen import FrozenModel

THEME = re.compile(r"(frontend|adminhtml)/[A-Za-z0-9_-]+/[A-Za-z0-9_-]+")


def _inside_tree(value: str) -> str:
    path = PurePosixPath(value)
    if path.is_absolute() or ".." in path.parts:
        raise ValueError("must be a path inside the tree, relative to kiln.yaml")
    return value


def _theme_path(value: str) -> str:
    if not THEME.fullmatch(value):
        raise ValueError(
            "must be area/Vendor/theme with the area frontend or adminhtml, "
            "as app/etc/config.php writes it, e.g. frontend/Magento/luma"
        )
    return value


InTree = Annotated[StrictStr, Field(min_length=1), AfterValidator(_inside_tree)]
# Stands in a Dockerfile's WORKDIR, where no quoting helps.
PlainPath = Annotated[InTree, Field(pattern=r"^[\w./@+-]+$")]
ThemePath = Annotated[StrictStr, AfterValidator(_theme_path)]
PackageName = Annotated[StrictStr, Field(pattern=r"^[a-z0-9][a-z0-9+.-]+$")]
ExtensionName = Annotated[StrictStr, Field(pattern=r"^[a-z][a-z0-9_]*$")]
PhpVersion = Annotated[StrictStr, Field(pattern=r"^(auto|[0-9]+\.[0-9]+)$")]
ByteSize = Annotated[StrictStr, Field(pattern=r"^[1-9][0-9]*(MB|GB|TB)$")]
SecretId = Annotated[StrictStr, Field(pattern=r"^[a-z][a-z0-9_]*$")]


class Magento(FrozenModel):
    """Which Magento the tree holds."""

    edition: Literal["auto", "community", "enterprise", "mage-os"] = Field(
        "auto", description="`auto` reads it from composer.lock."
    )
    version: StrictStr = Field(
        "auto", description='`auto` reads it from composer.lock; otherwise e.g. "2.4.7-p3".'
    )


class Php(FrozenModel):
    """PHP in the image."""

    version: PhpVersion = Field(
        "auto",
        description=(
            'A version in quotes, e.g. "8.2". `auto` takes the newest that Magento\'s version '
            "supports and that a Debian release carries."
        ),
    )
    extensions: tuple[ExtensionName, ...] = Field(
        (),
        description="Extensions beyond those that composer.lock asks for, e.g. redis, apcu, amqp.",
    )
    memory_limit: Annotated[StrictStr, Field(pattern=r"^(-1|[0-9]+[KMG]?)$")] = Field(
        "768M", description="memory_limit of web requests; the command line has none."
    )


class Base(FrozenModel):
    """What the image stands on."""

    image: StrictStr = Field(
        "auto",
        description=(
            "A Debian-based image whose package sources carry the PHP version. `auto` uses "
            "kiln/base:<suite> in the local registry, which `kiln setup` makes."
        ),
    )
    mirror: Annotated[StrictStr, Field(pattern=r"^https?://\S+$")] | None = Field(
        None,
        description=(
            "A Debian mirror instead of the base image's own. A snapshot, such as "
            "http://mirror.example/debian/20261101T000000Z, pins every package."
        ),
    )
    packages: tuple[PackageName, ...] = Field(
        (), description="Further Debian packages for the image, e.g. ghostscript."
    )

    @property
    def is_own(self) -> bool:
        """Whether it is the shop's own image, and not the one that `kiln setup` makes."""
        return self.image != "auto"


class Static(FrozenModel):
    """Static content: which themes, in which locales."""

    strategy: Literal["quick", "standard", "compact"] = Field(
        "quick", description="The strategy of setup:static-content:deploy."
    )
    themes: dict[ThemePath, tuple[StrictStr, ...]] = Field(
        description="For each theme, as area/Vendor/theme, its locales.", min_length=1
    )

    @model_validator(mode="after")
    def _each_given_once(self) -> "Static":
        if len({theme.lower() for theme in self.themes}) != len(self.themes):
            raise ValueError("two themes differ in upper and lower case alone")
        for theme, locales in self.themes.items():
            if not locales:
                raise ValueError(f"{theme} has no locale; name at least one, e.g. en_US")
            if len(set(locales)) != len(locales):
                raise ValueError(f"{theme} names a locale twice")
        return self


class Frontend(FrozenModel):
    """A front-end build with node, whose results go into the tree before static content."""

    directory: PlainPath = Field(description="Where the commands run; only its files are seen.")
    run: tuple[StrictStr, ...] = Field(
        description="Shell commands, e.g. `npm ci` and `npm run build`.", min_length=1
    )
    keep: tuple[InTree, ...] = Field(
        description="Files and folders below the directory that go into the tree.", min_length=1
    )


class Hooks(FrozenModel):
    """The shop's own steps in the build."""

    patches: tuple[InTree, ...] = Field(
        (),
        description="Patch files (globs), applied in order with `patch -p1` before compilation.",
    )
    before_compile: tuple[StrictStr, ...] = Field(
        (), description="Shell commands in the tree's root before setup:di:compile, no network."
    )
    frontend: tuple[Frontend, ...] = Field((), description="Front-end builds with node.")


class SecretSource(FrozenModel):
    """Where a build secret comes from; its value is never in the file."""

    file: StrictStr | None = Field(None, description="A file, relative to kiln.yaml.")
    env: Annotated[StrictStr, Field(pattern=r"^[A-Za-z_][A-Za-z0-9_]*$")] | None = Field(
        None, description="An environment variable."
    )

    @model_validator(mode="after")
    def _exactly_one(self) -> "SecretSource":
        if (self.file is None) == (self.env is None):
            raise ValueError("give exactly one of `file` and `env`")
        return self


class Build(FrozenModel):
    """How the image is built."""

    builder: StrictStr | None = Field(
        None, description="The buildx builder; by default the current one."
    )
    cache: StrictStr | None = Field(
        None,
        description=(
            "An image name, e.g. registry.example/shop-cache:main. `kiln build --push` leaves "
            "BuildKit's cache there, and builds begin with what is there: on a runner whose own "
            "cache is empty, too."
        ),
    )
    cache_size: ByteSize = Field(
        "20GB",
        description=(
            "What `kiln prune --builds` leaves of BuildKit's cache on this host, all projects' "
            "together."
        ),
    )
    ca_bundle: StrictStr | None = Field(
        None,
        description=(
            "A PEM file for steps that reach the network (Composer, node), for hosts behind a "
            "proxy that inspects TLS. Mounted, never in a layer."
        ),
    )
    secrets: dict[SecretId, SecretSource] = Field(
        default_factory=dict,
        description=(
            "Build secrets by name. `composer_auth` is the auth.json of `composer install`; the "
            "others are at /run/secrets/<name> for front-end builds."
        ),
    )
    composer_inputs: tuple[InTree, ...] = Field(
        (),
        description=(
            "Files (globs) that `composer install` needs besides composer.json, composer.lock, "
            "path repositories and the patches named in `extra`."
        ),
    )
    exclude: tuple[InTree, ...] = Field(
        (), description="Files and folders (globs) of the tree that stay out of the image."
    )
    compression: Literal["zstd", "gzip"] = Field(
        "zstd", description="Of the layers. gzip for engines older than Docker 23."
    )

    @property
    def cache_bytes(self) -> int:
        """`cache_size` as a number; powers of ten, as registries count."""
        units = {"MB": 10**6, "GB": 10**9, "TB": 10**12}
        return int(self.cache_size[:-2]) * units[self.cache_size[-2:]]


class Sign(FrozenModel):
    """Signing with cosign."""

    key: StrictStr | None = Field(
        None, description="The private key's file or KMS address, for `kiln build --push`."
    )
    public_key: StrictStr | None = Field(None, description="The public key, for `kiln verify`.")
    password: SecretSource | None = Field(None, description="The private key's password.")


class DevelopmentImages(FrozenModel):
    """Images for the services of a development system, where Docker Hub or the like is at hand."""

    database: StrictStr | None = Field(None, description="E.g. mariadb:10.6.")
    cache: StrictStr | None = Field(None, description="E.g. valkey/valkey:8.1 or redis:7.2.")
    queue: StrictStr | None = Field(None, description="E.g. rabbitmq:3.13-management.")
    mail: StrictStr | None = Field(
        None, description="E.g. axllent/mailpit; takes mail at port 1025, shows it at 8025."
    )
    search: StrictStr | None = Field(
        None,
        description=(
            "E.g. opensearchproject/opensearch:2.19.0. Without one there is no search engine, and "
            "the modules that need it are off in the development system alone."
        ),
    )


class Development(FrozenModel):
    """The development system, `kiln dev`."""

    images: DevelopmentImages = Field(
        DevelopmentImages(),
        description="A service that is not named here runs from Debian's packages.",
    )


class ProjectFile(FrozenModel):
    """kiln.yaml: everything Kiln needs to know about a shop."""

    name: Annotated[StrictStr, Field(pattern=r"^[a-z0-9]+(?:[._-][a-z0-9]+)*$", max_length=63)] = (
        Field(description="The shop's name: lower case, digits, and single . _ - between them.")
    )
    registry: Annotated[
        StrictStr, Field(pattern=r"^[a-zA-Z0-9.-]+(?::[0-9]+)?(?:/[a-z0-9]+(?:[._-]+[a-z0-9]+)*)*$")
    ] = Field(
        "localhost:5000", description="The registry, with a path if wanted; `/<name>` is added."
    )
    magento: Magento = Magento()
    php: Php = Php()
    base: Base = Base()
    static: Static
    hooks: Hooks = Hooks()
    build: Build = Build()
    sign: Sign = Sign()
    development: Development = Development()
