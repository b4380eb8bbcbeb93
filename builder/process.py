"""Running programs: one type, injected, so that argv can be tested as a value."""

import subprocess
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol


@dataclass(frozen=True)
class Completed:
    """A program that has ended.

    Attributes:
        returncode: exit status; negative for a signal.
        stdout: what it printed, decoded as UTF-8 with replacement.
        stderr: likewise.
    """

    returncode: int
    stdout: str
    stderr: str


class Runner(Protocol):
    """Runs one program to its end and captures what it prints."""

    def __call__(
        self,
        argv: Sequence[str],
        *,
        env: Mapping[str, str] | None = None,
        stdin: bytes | None = None,
        timeout: float | None = None,
    ) -> Completed: ...


def run(
    argv: Sequence[str],
    *,
    env: Mapping[str, str] | None = None,
    stdin: bytes | None = None,
    timeout: float | None = None,
    folder: Path | None = None,
) -> Completed:
    """Run a program without a shell.

    Args:
        argv: program and arguments.
        env: the whole environment; None passes on the process's own.
        stdin: bytes for standard input; None means empty input.
        timeout: seconds.
        folder: where it runs; None means where this process does.

    Raises:
        FileNotFoundError: the program is not installed.
        subprocess.TimeoutExpired: it ran longer than `timeout`.
    """
    done = subprocess.run(
        list(argv),
        env=None if env is None else dict(env),
        input=stdin if stdin is not None else b"",
        capture_output=True,
        timeout=timeout,
        cwd=folder,
        check=False,
    )
    return Completed(
        done.returncode,
        done.stdout.decode("utf-8", "replace"),
        done.stderr.decode("utf-8", "replace"),
    )


class Attached(Protocol):
    """Runs one program at the user's terminal and gives its exit status back."""

    def __call__(self, argv: Sequence[str], *, env: Mapping[str, str] | None = None) -> int: ...


def attach(argv: Sequence[str], *, env: Mapping[str, str] | None = None) -> int:
    """Run a program without a shell, with this process's own input and output.

    Args:
        argv: program and arguments.
        env: the whole environment; None passes on the process's own.

    Raises:
        FileNotFoundError: the program is not installed.
    """
    return subprocess.call(list(argv), env=None if env is None else dict(env))
