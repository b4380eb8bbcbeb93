"""Where secrets come from: a folder, the environment, a command, Docker Swarm.

One value rule for all, so that a secret can move from one source to another: UTF-8 text without
NUL, not empty, at most 500 kB (Docker Swarm's limit). Of files and of what commands print, one
line end at the end is no part of the value. A value that still ends in one is refused: readers of
the delivered file, the generated env.php among them, drop it as well.
"""

import json
import subprocess
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Protocol

from builder.errors import SecretError
from builder.process import Completed, Runner
from builder.project.environment import (
    CommandSource,
    DirectorySource,
    EnvironmentSource,
    SecretSourceConfig,
)
from builder.project.secret_name import SECRET_NAME
from builder.secrets.files import read_file, refused, write_file
from builder.secrets.value import MASK, SecretValue

MAX_BYTES = 500_000
_COMMAND_SECONDS = 60.0
_STDERR_LINES = 5
_NAME_LENGTH = 63


class Source(Protocol):
    """Gives secrets by name."""

    def read(self, name: str) -> SecretValue:
        """One secret's value.

        Raises:
            SecretError: it is missing, empty, too large, no text, or cannot be read.
        """
        ...

    def place(self, name: str) -> str:
        """Where a user finds the secret, e.g. a file's path. Never a value."""
        ...

    def warnings(self) -> tuple[str, ...]:
        """What is wrong with the source as a whole, though it can be read."""
        ...


@dataclass(frozen=True, slots=True)
class DirectorySecrets:
    """A folder with one file a secret; the one source that Kiln also writes."""

    folder: Path

    def read(self, name: str) -> SecretValue:
        path = self._path(name)
        try:
            value = read_file(path)
        except FileNotFoundError:
            raise SecretError(
                f"the secret {name} is missing",
                where=str(path),
                hint=f"`kiln secrets rotate ENVIRONMENT {name} --from-stdin` writes it",
            ) from None
        except OSError as error:
            raise SecretError(
                f"the secret {name} cannot be read: {error.strerror}",
                where=str(path),
                hint="let the user that runs kiln read it, and nobody else",
            ) from None
        return checked(without_line_end(value), name, str(path))

    def place(self, name: str) -> str:
        return str(self._path(name))

    def warnings(self) -> tuple[str, ...]:
        found = []
        try:
            if self.folder.stat().st_mode & 0o007:
                found.append(f"{self.folder} is open to every user: chmod 700 {self.folder}")
            for path in sorted(self.folder.iterdir()):
                if SECRET_NAME.fullmatch(path.name) and path.stat().st_mode & 0o007:
                    found.append(f"{path} is open to every user: chmod 600 {path}")
        except OSError:
            pass  # Reading says it.
        return tuple(found)

    def write(self, name: str, value: SecretValue) -> None:
        """Replace a secret's file; a new one is the user's own, with mode 0600.

        Raises:
            SecretError: the folder cannot be written.
        """
        path = self._path(name)
        try:
            self.folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        except OSError as error:
            raise refused(error, self.folder) from None
        # With a line end that reading drops again, any value comes back as it was.
        write_file(path, SecretValue(value.reveal() + b"\n"), mode=0o600, work=self.folder)

    def _path(self, name: str) -> Path:
        return self.folder / checked_name(name)


@dataclass(frozen=True, slots=True)
class VariableSecrets:
    """Variables of the environment that kiln was started with.

    They stand in /proc/PID/environ of kiln, for root and the same user to read, as long as it
    runs; no program that `kiln secrets` starts is given them.
    """

    prefix: str
    env: Mapping[str, str] = field(repr=False)

    def read(self, name: str) -> SecretValue:
        variable = self.place(name)
        if variable not in self.env:
            raise SecretError(
                f"the secret {name} is missing: {variable} is not set",
                where="environment",
                hint=f"set {variable} in the environment of kiln",
            )
        value = SecretValue(self.env[variable].encode("utf-8", "surrogateescape"))
        return checked(value, name, variable)

    def place(self, name: str) -> str:
        return self.prefix + checked_name(name).upper().replace("-", "_")

    def warnings(self) -> tuple[str, ...]:
        return ()


@dataclass(frozen=True, slots=True)
class CommandSecrets:
    """A command that prints one secret; `{name}` in its arguments becomes the secret's name.

    It runs without a shell and with an empty standard input.
    """

    argv: tuple[str, ...]
    run: Runner
    env: Mapping[str, str] = field(repr=False)
    seconds: float = _COMMAND_SECONDS

    def read(self, name: str) -> SecretValue:
        if not any("{name}" in argument for argument in self.argv[1:]):
            raise SecretError(
                "the command gives every secret the same value: no argument has {name}",
                where=" ".join(self.argv),
                hint='write e.g. `command: [pass, show, "shop/{name}"]`',
            )
        where = self.place(name)
        argv = self._argv(name)
        try:
            code, value, said = _masked(self.run(argv, env=self.env, timeout=self.seconds))
        except FileNotFoundError:
            raise SecretError(
                f"the secret {name} cannot be read: there is no program {argv[0]}",
                where=where,
                hint="install it, or give its whole path",
            ) from None
        except subprocess.TimeoutExpired:
            raise SecretError(
                f"the secret {name} cannot be read: no answer within {self.seconds:.0f} s",
                where=where,
                hint="run the command by hand: it may wait for a login or a passphrase",
            ) from None
        except OSError as error:
            raise SecretError(
                f"the secret {name} cannot be read: {error.strerror}", where=where
            ) from None
        if code != 0:
            raise SecretError(
                f"the secret {name} cannot be read: the command ended with {code}",
                where=where,
                hint="run the command by hand",
                details=said,
            )
        if not value.reveal().strip(b"\n"):
            raise SecretError(
                f"the secret {name} is empty: the command printed nothing",
                where=where,
                hint="run the command by hand",
                details=said,
            )
        return checked(without_line_end(value), name, where)

    def place(self, name: str) -> str:
        return " ".join(self._argv(name))

    def warnings(self) -> tuple[str, ...]:
        return ()

    def _argv(self, name: str) -> list[str]:
        checked_name(name)
        return [argument.replace("{name}", name) for argument in self.argv]


def _masked(done: Completed) -> tuple[int, SecretValue, tuple[str, ...]]:
    """Exit code, value, and standard error's last lines with the value taken out."""
    said = done.stderr
    for part in sorted({done.stdout, *done.stdout.splitlines()}, key=len, reverse=True):
        if part.strip():
            said = said.replace(part.strip(), MASK)
    return (
        done.returncode,
        SecretValue(done.stdout.encode()),
        tuple(said.strip().splitlines()[-_STDERR_LINES:]),
    )


@dataclass(frozen=True, slots=True)
class SwarmSecrets:
    """Docker Swarm's secrets, `<prefix><name>-<version>`; the engine never gives a value back."""

    prefix: str
    run: Runner
    env: Mapping[str, str] = field(repr=False)

    def read(self, name: str) -> SecretValue:
        raise SecretError(
            f"the secret {name} cannot be read: Docker Swarm gives no value back",
            where=self.place(name),
            hint="Swarm delivers its secrets itself; `kiln secrets list` shows their versions",
        )

    def place(self, name: str) -> str:
        return f"docker secret {self.prefix}{checked_name(name)}-VERSION"

    def warnings(self) -> tuple[str, ...]:
        return ()

    def versions(self) -> dict[str, tuple[str, ...]]:
        """The versions there are of each secret, the oldest first.

        Raises:
            SecretError: there is no engine, or it is no manager of a swarm.
        """
        ids = self._ask("secret", "ls", "--quiet").split()
        if not ids:
            return {}
        lines = self._ask("secret", "inspect", "--format", "{{json .}}", *ids).splitlines()
        described = sorted((json.loads(line) for line in lines), key=lambda one: one["CreatedAt"])
        found: dict[str, list[str]] = {}
        for one in described:
            full = str(one["Spec"]["Name"])
            name, dash, version = full.removeprefix(self.prefix).rpartition("-")
            if full.startswith(self.prefix) and dash and SECRET_NAME.fullmatch(name):
                found.setdefault(name, []).append(version)
        return {name: tuple(found[name]) for name in sorted(found)}

    def _ask(self, *arguments: str) -> str:
        try:
            done = self.run(["docker", *arguments], env=self.env, timeout=_COMMAND_SECONDS)
        except (OSError, subprocess.TimeoutExpired):
            raise SecretError(
                "the engine does not answer", where="docker", hint="`kiln doctor`"
            ) from None
        if done.returncode != 0:
            raise SecretError(
                "the swarm's secrets cannot be listed",
                where=f"docker {arguments[0]} {arguments[1]}",
                hint="run kiln on a manager of the swarm",
                details=tuple(done.stderr.strip().splitlines()[-_STDERR_LINES:]),
            )
        return done.stdout


AnySource = DirectorySecrets | VariableSecrets | CommandSecrets | SwarmSecrets


def open_source(
    config: SecretSourceConfig, root: Path, env: Mapping[str, str], run: Runner
) -> AnySource:
    """The source that an environment names. Reads nothing yet.

    Args:
        config: `secrets` of the environment.
        root: the shop's root, which a relative folder is relative to.
        env: the environment: values of `env_prefix`, HOME for `~/`, and what commands are given.
        run: runs commands.
    """
    if isinstance(config, DirectorySource):
        folder = config.directory
        if folder.startswith("~/") and "HOME" in env:
            folder = env["HOME"] + folder[1:]
        return DirectorySecrets(root / folder)
    if isinstance(config, EnvironmentSource):
        return VariableSecrets(config.env_prefix, env)
    if isinstance(config, CommandSource):
        return CommandSecrets(config.command, run, env)
    return SwarmSecrets(config.swarm_prefix, run, env)


def read_secrets(source: Source, names: Iterable[str]) -> dict[str, SecretValue]:
    """Read several secrets, one after the other (a command may ask for a passphrase).

    Raises:
        SecretError: all that cannot be read, at once.
    """
    values: dict[str, SecretValue] = {}
    errors: list[SecretError] = []
    for name in names:
        try:
            values[name] = source.read(name)
        except SecretError as error:
            errors.append(error)
    if len(errors) == 1:
        raise errors[0]
    if errors:
        raise SecretError(
            f"{len(errors)} secrets cannot be read",
            hint=errors[0].hint,
            details=tuple(f"{error.where}: {error.message}" for error in errors),
        )
    return values


def without_line_end(value: SecretValue) -> SecretValue:
    """The value less exactly one `\\n` at its end, which editors and `echo` add."""
    return SecretValue(value.reveal().removesuffix(b"\n"))


def checked(value: SecretValue, name: str, where: str) -> SecretValue:
    """A value that can be carried by every source and read by PHP.

    Raises:
        SecretError: it is empty, too large, ends in a line end, or is no UTF-8 text without NUL.
    """
    problem = _problem_of(value)
    if problem:
        raise SecretError(
            f"the secret {name} {problem}",
            where=where,
            hint="give it a value of UTF-8 text; encode other bytes, e.g. as base64",
        )
    return value


def checked_name(name: str) -> str:
    """A name that stays in its folder.

    Raises:
        SecretError: it is none.
    """
    if not SECRET_NAME.fullmatch(name) or len(name) > _NAME_LENGTH:
        raise SecretError(
            f"{name!r} is no name of a secret",
            hint="use lower-case letters, digits and single dashes, e.g. db-password",
        )
    return name


def _problem_of(value: SecretValue) -> str:
    if not value.reveal():
        return "is empty"
    if len(value.reveal()) > MAX_BYTES:
        return f"is larger than {MAX_BYTES // 1000} kB"
    if value.reveal().endswith(b"\n"):
        return "ends in a line end"
    if b"\0" in value.reveal():
        return "has a NUL byte"
    try:
        text = value.reveal().decode()
    except UnicodeDecodeError:
        return "is not UTF-8"
    # What a runner puts where a program's output is not UTF-8.
    return "is not UTF-8" if "�" in text else ""
