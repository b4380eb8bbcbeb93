"""Decides how a release migrates: beside the old release, or while nothing serves. Pure."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass

from builder.errors import ReleaseError
from builder.magento.config_php import ConfigPhp
from builder.magento.php_array import PhpArray
from builder.magento.release_files import ReleaseFiles, ScriptName
from builder.magento.schema_change import SchemaChange
from builder.magento.schema_difference import difference
from builder.plan.release import MigrationKind

# Magento\\Setup\\Console\\Command\\DbStatusCommand, Magento\\Deploy\\Console\\Command\\App\\
# ConfigStatusCommand.
_UP_TO_DATE = 0
_NOT_INSTALLED = 1
_NEEDS_WORK = 2

_BEFORE = "and writes rows before the new release serves"
_UNJUDGED = "and what it does to tables cannot be judged from the outside"


@dataclass(frozen=True, slots=True)
class Migration:
    """What is to be done before a release can serve.

    Attributes:
        kind: `none`: no setup:upgrade, or `additive`: while the old release serves, or
            `destructive`: while nothing serves, or `install`: into an empty database.
        needs_import: whether the configuration must be imported (app:config:import), which
            setup:upgrade does as well.
        reasons: why it is of that kind, a sentence each.
        notes: what else happens, a sentence each.
    """

    kind: MigrationKind
    needs_import: bool
    reasons: tuple[str, ...]
    notes: tuple[str, ...] = ()


def judge_migration(
    old: ReleaseFiles | None, new: ReleaseFiles, db_status: int, config_status: int
) -> Migration:
    """Decide how to migrate from one release to another.

    Args:
        old: the release that serves; None if there is none.
        new: the release that shall.
        db_status: exit code of the new release's setup:db:status: 0 up to date, 2 not, 1 not
            installed.
        config_status: exit code of its app:config:status, 0 or 2; not looked at when nothing
            is installed.

    Raises:
        ReleaseError: a status is none of these, or nothing is installed though a release serves.
    """
    if db_status == _NOT_INSTALLED and old is None:
        return Migration("install", True, ("nothing is installed in the database yet",))
    for command, status in (("setup:db:status", db_status), ("app:config:status", config_status)):
        if status not in (_UP_TO_DATE, _NEEDS_WORK):
            raise ReleaseError(
                f"{command} of the new release fails with exit code {status}, so what the "
                "database needs is not known",
                hint="see whether the release reaches its database, and whether that is the "
                "right one",
            )
    needs_upgrade = db_status == _NEEDS_WORK
    needs_import = config_status == _NEEDS_WORK
    steps = []
    if needs_upgrade:
        steps += _judge_upgrade(old, new)
    if needs_import:
        steps += _judge_import(old, new)
    notes = () if old is None or needs_upgrade else tuple(_overdue_scripts(old, new))
    destructive = tuple(one.sentence for one in steps if one.destructive)
    others = tuple(one.sentence for one in steps if not one.destructive)
    if destructive:
        return Migration("destructive", needs_import, destructive, (*others, *notes))
    return Migration("additive" if needs_upgrade else "none", needs_import, others, notes)


def reverse_obstacle(live: ReleaseFiles, wanted: ReleaseFiles) -> tuple[str, ...]:
    """Why an older release cannot run on the database that a newer one has migrated.

    Kiln never migrates back: the older release finds the tables as they are.

    Args:
        live: the release that migrated the database last.
        wanted: the older release that shall serve again.

    Returns:
        A sentence for each reason; empty if it can.
    """
    steps = (*_steps(wanted, live), *_judge_import(wanted, live))
    return tuple(one.sentence for one in steps if one.destructive and one.lasting)


@dataclass(frozen=True, slots=True)
class _Step:
    """Something that a migration does."""

    destructive: bool
    sentence: str
    lasting: bool = True


def _judge_upgrade(old: ReleaseFiles | None, new: ReleaseFiles) -> list[_Step]:
    if old is None:
        return [
            _Step(
                True,
                "the database was not made by a release that Kiln knows, so what setup:upgrade "
                "changes in it is not known",
            )
        ]
    steps = [*_steps(old, new)]
    return steps or [
        _Step(
            False,
            "both releases declare the same tables, but setup:upgrade has something to do, e.g. "
            "a patch that was never applied",
        )
    ]


def _steps(old: ReleaseFiles, new: ReleaseFiles) -> Iterator[_Step]:
    """What setup:upgrade of the new release does after that of the old one."""
    for release, name in ((old, "old"), (new, "new")):
        for module in sorted(release.modules.missing):
            yield _Step(
                True,
                f"{module} is on in the {name} release, but its files are not found there, "
                f"{_UNJUDGED}",
            )
    for change in difference(old.schema, new.schema):
        yield _Step(change.kind == "destructive", _describe(change), change.lasting)
    # A patch runs once, by its name; one whose content has changed does not run again
    # (Magento\\Framework\\Setup\\Patch\\PatchHistory::isApplied).
    for patch in _added(old.schema_patches, new.schema_patches):
        yield _Step(True, f"the schema patch {patch} is new, {_UNJUDGED}")
    for patch in _added(old.data_patches, new.data_patches):
        yield _Step(False, f"the data patch {patch} is new, {_BEFORE}")
    for (module, name), why in _scripts(old, new):
        script = f"{name}.php of {module}"
        if name.endswith("Schema") or name == "Recurring":
            yield _Step(True, f"{script} {why}, {_UNJUDGED}")
        else:
            yield _Step(False, f"{script} {why}, {_BEFORE}")


def _describe(change: SchemaChange) -> str:
    return f"`{change.table}`: {change.what}: {change.reason}"


def _added(old: tuple[str, ...], new: tuple[str, ...]) -> Iterator[str]:
    known = frozenset(old)
    yield from (name for name in new if name not in known)


def _scripts(old: ReleaseFiles, new: ReleaseFiles) -> Iterator[tuple[tuple[str, ScriptName], str]]:
    """Old-style scripts that do something which they have not done for the old release.

    Magento\\Setup\\Model\\Installer::handleDBSchemaData: installers and upgraders run when
    module.xml has another `setup_version`; recurring ones run each time.
    """
    for (module, name), digest in new.scripts.items():
        if name.startswith("Recurring"):
            before = old.scripts.get((module, name))
            if before != digest:
                yield (module, name), "has changed" if before else "is new"
            continue
        version = new.setup_versions.get(module)
        before = old.setup_versions.get(module)
        if version and before is None:
            yield (module, name), "runs for a module that was not installed"
        elif version and version != before and name.startswith("Upgrade"):
            yield (module, name), f"runs from version {before} to {version}"


def _overdue_scripts(old: ReleaseFiles, new: ReleaseFiles) -> Iterator[str]:
    """Changed scripts that setup:db:status does not ask for."""
    for (module, name), why in _scripts(old, new):
        yield f"{name}.php of {module} {why}; it runs with the next setup:upgrade, not now"


def _judge_import(old: ReleaseFiles | None, new: ReleaseFiles) -> Iterator[_Step]:
    """Magento\\Store\\Model\\Config\\Importer deletes what config.php does not list any more."""
    said = False
    for kind, (before, after) in _scopes(old, new).items():
        if before is None:
            said = True
            yield _Step(
                True,
                f"config.php has {kind}, and those that the database has besides are deleted "
                "with all that belongs to them; which these are is not known",
            )
            continue
        for code in _deleted(before, after):
            said = True
            yield _Step(
                True,
                f"config.php no longer has `{code}` among its {kind}: the import deletes it with "
                "all that belongs to it, and the old release still serves it",
            )
    if not said:
        yield _Step(False, "config.php has changed and must be imported")


def _scopes(
    old: ReleaseFiles | None, new: ReleaseFiles
) -> dict[str, tuple[Mapping[str, PhpArray] | None, Mapping[str, PhpArray]]]:
    """Rows of the old and new config.php; a section that the new one lacks deletes nothing."""

    def rows(config: ConfigPhp) -> dict[str, Mapping[str, PhpArray]]:
        return {"websites": config.websites, "groups": config.groups, "stores": config.stores}

    before = {} if old is None else rows(old.config)
    return {kind: (before.get(kind), after) for kind, after in rows(new.config).items() if after}


def _deleted(old: Mapping[str, PhpArray], new: Mapping[str, PhpArray]) -> Iterator[str]:
    """Codes that are gone, by number too: one with the number of another is renamed
    (Magento\\Store\\Model\\Config\\Importer\\DataDifferenceCalculator)."""

    def codes(rows: Mapping[str, PhpArray]) -> dict[str, str]:
        numbered = ("store_id", "group_id", "website_id")
        return {
            str(row.get("code", key)): str(next((row[n] for n in numbered if n in row), ""))
            for key, row in rows.items()
        }

    kept = codes(new)
    numbers = {number for number in kept.values() if number}
    for code, number in codes(old).items():
        if code not in kept and number not in numbers:
            yield code
