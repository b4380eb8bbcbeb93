"""What `kiln secrets` does: list, check, deliver, rotate, roll back.

Each change goes source, delivery folders, record, in this order. Killed in between, `kiln
secrets deliver` finishes what was begun.
"""

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

from builder.errors import SecretError
from builder.project.environments import Environment
from builder.project.references import referenced_secrets
from builder.project.yaml_file import KeyPath
from builder.secrets.delivery import (
    Delivered,
    DeliveryFolder,
    KeptVersion,
    VersionedValue,
    deliver_files,
    kept_value,
    kept_versions,
    previous_version,
    restore_file,
)
from builder.secrets.files import Owner, hold_lock
from builder.secrets.plausible import Verdict, examine_crypt_key, examine_value
from builder.secrets.record import SecretRecord, load_record, save_record
from builder.secrets.sources import (
    AnySource,
    DirectorySecrets,
    SwarmSecrets,
    checked,
    read_secrets,
)
from builder.secrets.value import (
    SecretValue,
    VersionNames,
    extends_crypt_key,
    generate_crypt_key,
    generate_password,
)


@dataclass(frozen=True, slots=True)
class EnvironmentSecrets:
    """One environment's secrets on this machine.

    Attributes:
        environment: which names them.
        source: where their values are.
        record: the file of their versions.
    """

    environment: Environment
    source: AnySource
    record: Path

    @property
    def references(self) -> dict[str, tuple[KeyPath, ...]]:
        """The secrets by name, and what names them."""
        return referenced_secrets(self.environment.file)

    @property
    def crypt_key(self) -> str:
        """The name of Magento's encryption key."""
        return self.environment.file.crypt_key.secret

    def folders(self) -> tuple[DeliveryFolder, ...]:
        """Where the secrets were delivered to and still are: a reboot empties a tmpfs."""
        found = (
            DeliveryFolder(Path(one.folder), Owner(one.uid, one.gid))
            for one in load_record(self.record).deliveries
        )
        return tuple(folder for folder in found if folder.mounted.is_dir())


@dataclass(frozen=True, slots=True)
class SecretStatus:
    """One secret, as `kiln secrets list` shows it.

    Attributes:
        name: its name.
        keys: the key paths that name it.
        place: where a user finds it.
        problem: why it cannot be read; empty where it can.
        version: of the value in the source; None if it cannot be read or named.
        delivered: by delivery folder, the version that containers read; None for none.
        since: when the last version was recorded.
        kept: versions that can be rolled back to, the newest first.
    """

    name: str
    keys: tuple[KeyPath, ...]
    place: str
    problem: str
    version: str | None
    delivered: Mapping[str, str | None]
    since: datetime | None
    kept: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class SecretCheck:
    """One secret, as `kiln secrets check` shows it."""

    name: str
    place: str
    verdict: Verdict


@dataclass(frozen=True, slots=True)
class Change:
    """A version that took another's place.

    Attributes:
        name: the secret's.
        before: the version so far, where it is known.
        version: the version from now on.
        written: the source was written by Kiln.
        folders: the delivery folders that have it.
        cached: the keys of the environment that give it to settings. Magento keeps their values in
            its configuration cache (magento2#35045), so that containers go on with the one before.
    """

    name: str
    before: str | None
    version: str
    written: bool
    folders: tuple[Path, ...]
    cached: tuple[KeyPath, ...] = ()


def list_secrets(secrets: EnvironmentSecrets) -> tuple[SecretStatus, ...]:
    """What there is of each secret that the environment names; reads values, changes nothing.

    Raises:
        SecretError: the record or the swarm cannot be read. A missing secret is no error here.
    """
    record = load_record(secrets.record)
    folders = secrets.folders()
    in_swarm = secrets.source.versions() if isinstance(secrets.source, SwarmSecrets) else None
    names = None if in_swarm is not None else _names_if_any(secrets)
    found = []
    for name, keys in secrets.references.items():
        version: str | None = None
        problem = ""
        if in_swarm is not None:
            version = (in_swarm.get(name) or (None,))[-1]
            problem = "" if version else "is missing"
        else:
            try:
                value = secrets.source.read(name)
                version = names.version(name, value) if names else None
            except SecretError as error:
                problem = error.message
        kept = {folder: kept_versions(folder, name) for folder in folders}
        delivered = {
            str(folder.path): next((one.version for one in versions if one.current), None)
            for folder, versions in kept.items()
        }
        old = [one for versions in kept.values() for one in reversed(versions) if not one.current]
        last = record.last(name)
        found.append(
            SecretStatus(
                name,
                keys,
                secrets.source.place(name),
                problem,
                version,
                delivered,
                last.at if last else None,
                tuple(dict.fromkeys(one.version for one in old)),
            )
        )
    return tuple(found)


def check_secrets(secrets: EnvironmentSecrets) -> tuple[SecretCheck, ...]:
    """Whether every secret is there and can be right; of a swarm's, whether it is there.

    Raises:
        SecretError: the swarm cannot be asked.
    """
    in_swarm = secrets.source.versions() if isinstance(secrets.source, SwarmSecrets) else None
    found = []
    for name in secrets.references:
        if in_swarm is not None:
            verdict = Verdict() if name in in_swarm else Verdict(problems=("is missing",))
        else:
            try:
                value = secrets.source.read(name)
                examine = examine_crypt_key if name == secrets.crypt_key else examine_value
                verdict = examine(value)
            except SecretError as error:
                verdict = Verdict(problems=(error.message, *error.details))
        found.append(SecretCheck(name, secrets.source.place(name), verdict))
    return tuple(found)


def wanted_values(secrets: EnvironmentSecrets) -> dict[str, VersionedValue]:
    """Every secret's value from the source, with its version's name.

    Raises:
        SecretError: all that cannot be read, at once.
    """
    values = read_secrets(secrets.source, secrets.references)
    names = VersionNames.from_crypt_key(values[secrets.crypt_key])
    return {
        name: VersionedValue(names.version(name, value), value) for name, value in values.items()
    }


def deliver_secrets(
    secrets: EnvironmentSecrets,
    folder: DeliveryFolder,
    now: datetime,
    *,
    allow_disk: bool = False,
    prune: bool = False,
) -> tuple[dict[str, str], Delivered]:
    """Bring a host's files up to the source.

    A version that was rolled back is not delivered again while the source still has it: the one
    rolled back to stays.

    Returns:
        The version of each secret, and what has changed.

    Raises:
        SecretError: a secret cannot be read, or the folder not written.
        BusyError: another kiln changes the same environment's secrets.
    """
    with _changing(secrets):
        record = load_record(secrets.record)
        values = wanted_values(secrets)
        for name, rolled_back in record.held.items():
            if name not in values or values[name].version != rolled_back:
                record = record.with_hold(name, None)
            else:
                values[name] = _value_rolled_back_to(secrets, record, folder, name)
        delivered = deliver_files(folder, values, prune=prune, allow_disk=allow_disk)
        record = record.with_delivery(folder.path, folder.owner.uid, folder.owner.gid, now)
        for name, value in values.items():
            record = record.with_version(name, value.version, now, "deliver")
        save_record(secrets.record, record)
    return {name: value.version for name, value in values.items()}, delivered


def rotate_secret(
    secrets: EnvironmentSecrets,
    name: str,
    now: datetime,
    *,
    new: SecretValue | None = None,
    generate: bool = False,
) -> Change:
    """Give a secret another value, and bring it to where the secrets are delivered.

    A directory is written by Kiln. Any other source is changed by its own means first; this
    then delivers and records what it has.

    Args:
        secrets: the environment's.
        name: which one.
        now: the time to record.
        new: the value, for a directory.
        generate: make a value, for a directory; a crypt key is appended to those before it.

    Raises:
        SecretError: the source is not Kiln's to write and has the same value as before, the
            value is not right, or a folder cannot be written.
        BusyError: another kiln changes the same environment's secrets.
    """
    _require_reference(secrets, name)
    with _changing(secrets):
        record = load_record(secrets.record)
        last = record.last(name)
        before = last.version if last else None
        written = False
        if isinstance(secrets.source, DirectorySecrets):
            old = _read_if_there(secrets.source, name)
            if generate:
                new = generate_crypt_key(old) if name == secrets.crypt_key else generate_password()
            if new is None:
                raise SecretError(
                    f"there is no new value for {name}",
                    where=secrets.source.place(name),
                    hint="give --from-stdin or --generate",
                )
            _require_plausible(secrets, name, old, new)
            if name != secrets.crypt_key:
                # Before anything is written: without a crypt key versions have no names.
                names = _version_names(secrets)
                before = names.version(name, old) if old is not None else before
            secrets.source.write(name, new)
            written = True
        elif isinstance(secrets.source, SwarmSecrets):
            raise SecretError(
                "Docker Swarm rotates by another name, which its services are told to use",
                where=secrets.source.place(name),
                hint=f"`docker secret create {secrets.source.prefix}{name}-VERSION -`",
            )
        elif new is not None or generate:
            raise SecretError(
                "Kiln cannot write this source",
                where=secrets.source.place(name),
                hint="change the value there, then run `kiln secrets rotate` without a value",
            )
        value = secrets.source.read(name)
        version = _version_names(secrets).version(name, value)
        if not written and version == before:
            raise SecretError(
                f"{name} still has the version {version}",
                where=secrets.source.place(name),
                hint="change the value there, then run this again",
            )
        folders = secrets.folders()
        for folder in folders:
            # The folder was judged when it was first delivered to.
            deliver_files(folder, {name: VersionedValue(version, value)}, allow_disk=True)
        record = record.with_hold(name, None).with_version(name, version, now, "rotate")
        save_record(secrets.record, record)
    return Change(
        name,
        before,
        version,
        written,
        tuple(folder.path for folder in folders),
        cached_keys(secrets, name),
    )


def rollback_secret(
    secrets: EnvironmentSecrets,
    name: str,
    now: datetime,
    *,
    version: str | None = None,
    force: bool = False,
) -> Change:
    """Bring an earlier version back, in every delivery folder and, if a directory, the source.

    Where the source is not Kiln's to write, the version that is left is held back until the
    source has another. Twice in a row leads to where it was.

    Args:
        secrets: the environment's.
        name: which one.
        now: the time to record.
        version: None for the one before the current.
        force: roll the crypt key back although it loses a key.

    Raises:
        SecretError: nothing is delivered on this host, the version is not kept, or what was
            encrypted meanwhile could not be read any more.
        BusyError: another kiln changes the same environment's secrets.
    """
    _require_reference(secrets, name)
    with _changing(secrets):
        record = load_record(secrets.record)
        folders = secrets.folders()
        if not folders:
            raise SecretError(
                "no secrets are delivered on this host, and their values are kept nowhere else",
                where=secrets.environment.name,
                hint="set the old value in the source, then `kiln secrets deliver`",
            )
        wanted = version or previous_version(folders[0], name)
        value = kept_value(folders[0], name, wanted)
        before = next((one.version for one in kept_versions(folders[0], name) if one.current), None)
        if name == secrets.crypt_key and before is not None and not force:
            _require_no_lost_key(secrets, kept_value(folders[0], name, before), value)
        written = isinstance(secrets.source, DirectorySecrets)
        if isinstance(secrets.source, DirectorySecrets):
            secrets.source.write(name, value)
        else:
            held = _version_if_any(secrets, name)
            # The source may have been set back before.
            record = record.with_hold(name, None if held == wanted else held)
        # The hold is recorded first: a delivery after a crash completes this.
        record = record.with_version(name, wanted, now, "rollback")
        save_record(secrets.record, record)
        for folder in folders:
            if any(one.version == wanted for one in kept_versions(folder, name)):
                restore_file(folder, name, wanted)
            else:
                deliver_files(folder, {name: VersionedValue(wanted, value)}, allow_disk=True)
    return Change(
        name,
        before,
        wanted,
        written,
        tuple(folder.path for folder in folders),
        cached_keys(secrets, name),
    )


def cached_keys(secrets: EnvironmentSecrets, name: str) -> tuple[KeyPath, ...]:
    """The keys that give a secret to the system configuration, and not to env.php itself."""
    return tuple(
        key
        for key in secrets.references.get(name, ())
        if key[0] == "settings" or key[:2] == ("services", "search")
    )


@contextmanager
def _changing(secrets: EnvironmentSecrets) -> Iterator[None]:
    with hold_lock(secrets.record.with_suffix(".lock")):
        yield


def _value_rolled_back_to(
    secrets: EnvironmentSecrets, record: SecretRecord, wanted: DeliveryFolder, name: str
) -> VersionedValue:
    last = record.last(name)
    for folder in (wanted, *secrets.folders()):
        if last is not None and any(one.version == last.version for one in _safely(folder, name)):
            return VersionedValue(last.version, kept_value(folder, name, last.version))
    raise SecretError(
        f"{name} was rolled back, the source still has the version left, and the old value is "
        "not on this host any more",
        where=secrets.source.place(name),
        hint=f"set the value in the source, or take it as it is: `kiln secrets rotate "
        f"{secrets.environment.name} {name}`",
    )


def _safely(folder: DeliveryFolder, name: str) -> tuple[KeptVersion, ...]:
    return kept_versions(folder, name) if folder.mounted.is_dir() else ()


def _require_reference(secrets: EnvironmentSecrets, name: str) -> None:
    if name not in secrets.references:
        raise SecretError(
            f"the environment {secrets.environment.name} names no secret {name}",
            where=secrets.environment.where(),
            hint=f"it names: {', '.join(secrets.references)}",
        )


def _require_plausible(
    secrets: EnvironmentSecrets, name: str, old: SecretValue | None, new: SecretValue
) -> None:
    where = secrets.source.place(name)
    checked(new, name, where)
    if name != secrets.crypt_key:
        return
    if problems := examine_crypt_key(new).problems:
        raise SecretError(
            f"the new crypt key {problems[0]}", where=where, hint="--generate makes one"
        )
    if old is not None and not extends_crypt_key(old, new):
        raise SecretError(
            "the new crypt key leaves out keys that values in the database are encrypted with",
            where=where,
            hint="give the keys so far, then the new one, one a line; --generate does",
        )


def _require_no_lost_key(
    secrets: EnvironmentSecrets, current: SecretValue, wanted: SecretValue
) -> None:
    if not extends_crypt_key(current, wanted):
        raise SecretError(
            "what was encrypted with the newest crypt key could not be read any more",
            where=secrets.environment.name,
            hint="restore the database of that time as well, and give --force",
        )


def _read_if_there(source: DirectorySecrets, name: str) -> SecretValue | None:
    try:
        return source.read(name)
    except SecretError:
        return None


def _version_names(secrets: EnvironmentSecrets) -> VersionNames:
    return VersionNames.from_crypt_key(secrets.source.read(secrets.crypt_key))


def _names_if_any(secrets: EnvironmentSecrets) -> VersionNames | None:
    try:
        return _version_names(secrets)
    except SecretError:
        return None


def _version_if_any(secrets: EnvironmentSecrets, name: str) -> str | None:
    try:
        return _version_names(secrets).version(name, secrets.source.read(name))
    except SecretError:
        return None
