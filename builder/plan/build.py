"""What a build will do, decided before anything runs. Pure: no engine, no clock, no files."""

import hashlib
import json
import re
from collections.abc import Iterable
from dataclasses import dataclass, replace
from pathlib import PurePosixPath

from builder.magento.shop import Shop, matching_paths
from builder.magento.source_kind import kind_of
from builder.magento.themes import Theme, scope_of
from builder.project.loading import Project
from builder.project.model import Frontend, Static
from builder.project.tree import Entry

# File times are no input: one fixed moment for all of them keeps a layer's bytes, and so its
# digest, the same until its content changes. 2020-01-01T00:00:00Z.
DEFAULT_EPOCH = 1577836800

_TEMPLATES = ("vendor-template", "template")
# View files of one area or theme.
_SCOPED = "view-"


@dataclass(frozen=True, slots=True)
class InputGroup:
    """Files that the same stages read; they reach BuildKit as one content-addressed layer.

    Attributes:
        name: also the name of the build context in the Dockerfile.
        entries: sorted by path.
        digest: SHA-256 over paths, modes and contents, hex.
    """

    name: str
    entries: tuple[Entry, ...]
    digest: str

    @property
    def size(self) -> int:
        """Bytes of all files."""
        return sum(entry.size for entry in self.entries)


@dataclass(frozen=True, slots=True)
class StaticStage:
    """Static content of themes of one area in some locales: one of each, save with `compact`.

    Attributes:
        name: of the stage in the Dockerfile.
        outputs: what it makes, below pub/static/.
        groups: files of its area, of its themes and of those that they inherit from or, where
            nothing tells which those are, of all; where the tree has some.
    """

    name: str
    area: str
    themes: tuple[str, ...]
    locales: tuple[str, ...]
    outputs: tuple[str, ...]
    groups: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class FrontendStage:
    """One front-end build; `group` holds the files of its directory."""

    name: str
    group: str
    directory: str
    run: tuple[str, ...]
    keep: tuple[str, ...]

    @property
    def kept_paths(self) -> list[str]:
        """What goes into the image, relative to the tree's root."""
        return [str(PurePosixPath(self.directory, kept)) for kept in self.keep]


@dataclass(frozen=True, slots=True)
class BuildPlan:
    """Everything the Dockerfile is rendered from, and what names the result.

    Attributes:
        base: the base image by digest, `name@sha256:…`.
        debian_packages: of the runtime image, sorted.
        groups: the tree's files by the stages that read them.
        secrets: names of build secrets that steps mount; never a value.
        kept_paths: folders that stay although their name is on the list of excluded ones.
        own_base: it is the shop's own and not Debian's.
        mirror: a Debian mirror, or None for the base image's own.
    """

    shop_name: str
    repository: str
    magento_edition: str
    magento_version: str
    php_version: str
    php_memory_limit: str
    base: str
    own_base: bool
    mirror: str | None
    debian_packages: tuple[str, ...]
    groups: tuple[InputGroup, ...]
    has_vendor: bool
    minify_html: bool
    patches: tuple[str, ...]
    before_compile: tuple[str, ...]
    frontend: tuple[FrontendStage, ...]
    static_strategy: str
    static: tuple[StaticStage, ...]
    secrets: tuple[str, ...]
    has_ca_bundle: bool
    kept_paths: tuple[str, ...]
    compression: str
    epoch: int

    def group(self, name: str) -> InputGroup | None:
        """The group of this name, or None where it has no files."""
        return next((group for group in self.groups if group.name == name), None)

    def with_group(self, group: InputGroup) -> "BuildPlan":
        """The same plan with one more group."""
        return replace(self, groups=(*self.groups, group))

    @property
    def stage_names(self) -> tuple[str, ...]:
        """The Dockerfile's stages, in its order."""
        return (
            *("php", "tools", "vendor", "code", "sources", "compiled", "view"),
            *(stage.name for stage in self.frontend),
            *(stage.name for stage in self.static),
            *(("shared",) if self.shares_static else ()),
            *("finish", "runtime"),
        )

    @property
    def begins_with_packages(self) -> bool:
        """Whether vendor/ is what its stage begins with, and the tools are laid over it.

        A base of the shop's own may set an environment, which FROM alone takes along.
        """
        return self.has_vendor and not self.own_base

    @property
    def shares_static(self) -> bool:
        """Whether what several stages of static content have alike goes into a layer of its own."""
        return len(self.static) > 1

    @property
    def scoped_groups(self) -> tuple[str, ...]:
        """The groups of view files that are for one area or theme alone."""
        return tuple(group.name for group in self.groups if group.name.startswith(_SCOPED))

    @property
    def page_groups(self) -> tuple[str, ...]:
        """The groups that compilation does not read, in the order of the image's layers."""
        for_all = filter(self.group, ("vendor-view", "vendor-template", "view"))
        return (*for_all, *self.scoped_groups, *filter(self.group, ["template"]))

    @property
    def static_groups(self) -> tuple[str, ...]:
        """Those that all static content is made from; with minify_html, templates as well."""
        other = set() if self.minify_html else {*_TEMPLATES}
        if self.divides_assets:
            other.update(self.scoped_groups)
        return tuple(name for name in self.page_groups if name not in other)

    @property
    def divides_assets(self) -> bool:
        """Whether view files of an area or theme reach its own stages of static content alone.

        Not where steps of the build write over the tree's files: what comes first would be last.
        """
        return not (self.frontend or self.changes_source)

    def own_groups(self, stage: StaticStage) -> tuple[str, ...]:
        """The groups that a stage of static content is made from besides `static_groups`."""
        return tuple(filter(self.group, stage.groups)) if self.divides_assets else ()

    @property
    def changes_source(self) -> bool:
        """Whether steps of the build change the tree's own files."""
        return bool(self.patches or self.before_compile)


@dataclass(frozen=True, slots=True)
class Inputs:
    """What names a build's result: equal inputs give an equal image.

    Attributes:
        digest: SHA-256 over the Dockerfile, the base image and all groups, hex.
        content_version: decimal digits for setup:static-content:deploy. nginx matches
            `version\\d*`, so a hexadecimal hash would not do.
        groups: digest by group name.
        dockerfile: SHA-256 of its text, hex.
        base: the base image by digest.
    """

    digest: str
    content_version: str
    groups: dict[str, str]
    dockerfile: str
    base: str


def plan_build(
    project: Project,
    shop: Shop,
    entries: Iterable[Entry],
    base: str,
    *,
    epoch: int = DEFAULT_EPOCH,
    auth_json: bool = False,
) -> BuildPlan:
    """Decide what goes into which stage.

    Args:
        project: the project file.
        shop: what the tree was found to hold.
        entries: the tree's files, without those that never go into an image.
        base: the base image by digest.
        epoch: seconds since 1970 that every file of the image carries.
        auth_json: whether auth.json of the tree serves as Composer's credentials.
    """
    file = project.file
    listed = list(entries)
    frontend = tuple(
        FrontendStage(f"frontend-{at}", f"frontend-{at}", one.directory, one.run, one.keep)
        for at, one in enumerate(file.hooks.frontend)
    )
    secrets = set(file.build.secrets)
    if auth_json:
        secrets.add("composer_auth")
    return BuildPlan(
        shop_name=file.name,
        repository=project.repository,
        magento_edition=shop.edition,
        magento_version=shop.version,
        php_version=shop.php_version,
        php_memory_limit=file.php.memory_limit,
        base=base,
        own_base=file.base.is_own,
        mirror=file.base.mirror,
        debian_packages=tuple(sorted({*shop.php_packages, *file.base.packages})),
        groups=group_entries(listed, shop, file.hooks.frontend),
        has_vendor=shop.has_vendor,
        minify_html=shop.minify_html,
        patches=tuple(
            path
            for pattern in file.hooks.patches
            for path in matching_paths((entry.path for entry in listed), [pattern])
        ),
        before_compile=file.hooks.before_compile,
        frontend=frontend,
        static_strategy=file.static.strategy,
        static=plan_static(file.static, shop.themes),
        secrets=tuple(sorted(secrets)),
        kept_paths=shop.kept_paths,
        has_ca_bundle=file.build.ca_bundle is not None,
        compression=file.build.compression,
        epoch=epoch,
    )


def group_entries(
    entries: Iterable[Entry], shop: Shop, frontend: Iterable[Frontend] = ()
) -> tuple[InputGroup, ...]:
    """Sort the tree's files into the groups that stages read.

    composer.json, composer.lock and what they refer to are in `composer` and `code` both: the
    first decides about the vendor stage, the second is the tree that runs.
    """
    folders = {theme.directory: theme.name for theme in shop.themes if theme.directory}
    groups: dict[str, list[Entry]] = {}
    for entry in entries:
        path = entry.path
        if entry.path in shop.composer_inputs:
            groups.setdefault("composer", []).append(entry)
        kind = kind_of(path) if entry.target is None else "code"
        if path.startswith("vendor/"):
            groups.setdefault(f"vendor-{kind}", []).append(entry)
            continue
        for at, one in enumerate(frontend):
            if path.startswith(one.directory.rstrip("/") + "/"):
                groups.setdefault(f"frontend-{at}", []).append(entry)
        scope = scope_of(path, folders) if kind == "view" else None
        groups.setdefault(_scoped_group(scope) if scope else kind, []).append(entry)
    return tuple(make_group(name, found) for name, found in sorted(groups.items()))


def make_group(name: str, entries: Iterable[Entry]) -> InputGroup:
    """A group with its digest over paths, modes and contents."""
    ordered = tuple(sorted(entries, key=lambda entry: entry.path))
    hasher = hashlib.sha256()
    for entry in ordered:
        mode = "l" if entry.target is not None else "x" if entry.executable else "-"
        hasher.update(f"{mode} {entry.digest} {entry.path}\0".encode())
    return InputGroup(name, ordered, hasher.hexdigest())


def name_inputs(plan: BuildPlan, dockerfile: str) -> Inputs:
    """What the result of this plan, rendered as this Dockerfile, is named by."""
    groups = {group.name: group.digest for group in plan.groups}
    text = hashlib.sha256(dockerfile.encode()).hexdigest()
    digest = hashlib.sha256(
        json.dumps([text, plan.base, plan.epoch, plan.compression, groups], sort_keys=True).encode()
    ).hexdigest()
    return Inputs(
        digest=digest,
        # 48 bits: at most 15 digits, which every reader keeps as an exact number.
        content_version=str(int(digest[:12], 16)),
        groups=groups,
        dockerfile=text,
        base=plan.base,
    )


def plan_static(static: Static, themes: Iterable[Theme]) -> tuple[StaticStage, ...]:
    """The stages of static content.

    With `quick` and `standard` each theme and locale is a stage. `compact` puts what themes share
    beside them and cannot leave out parents (Magento\\Deploy\\Console\\InputValidator), so all
    themes of an area that have the same locales are one stage.
    """
    ancestors = {theme.name: theme.ancestors for theme in themes}

    def groups(area: str, *names: str) -> tuple[str, ...]:
        scopes = {area, *names}
        for name in names:
            chain = ancestors.get(name)
            if chain is None:
                # It may inherit from any.
                chain = tuple(one for one in ancestors if one.startswith(f"{area}/"))
            scopes.update(chain)
        return tuple(sorted(map(_scoped_group, scopes)))

    if static.strategy == "compact":
        together: dict[tuple[str, tuple[str, ...]], list[str]] = {}
        for path, locales in static.themes.items():
            area = path.partition("/")[0]
            together.setdefault((area, tuple(sorted(locales))), []).append(path)
        return tuple(
            StaticStage(
                name=_stage_name(area, *locales),
                area=area,
                themes=tuple(sorted(path.removeprefix(f"{area}/") for path in paths)),
                locales=locales,
                outputs=("",),
                groups=groups(area, *paths),
            )
            for (area, locales), paths in sorted(together.items())
        )
    return tuple(
        StaticStage(
            name=_stage_name(path, locale),
            area=area,
            themes=(theme,),
            locales=(locale,),
            outputs=(f"{path}/{locale}/",),
            groups=groups(area, path),
        )
        for path, locales in sorted(static.themes.items())
        for area, theme in [path.split("/", 1)]
        for locale in sorted(locales)
    )


def _stage_name(*parts: str) -> str:
    # Themes have no dots, so no two of them give the same name.
    return "-".join(("static", *parts)).replace("/", ".").lower()


def _scoped_group(scope: str) -> str:
    # The name of a build context, which has these characters alone; themes that get the same name
    # share a group.
    return _SCOPED + re.sub(r"[^a-z0-9]+", ".", scope.lower()).strip(".")
