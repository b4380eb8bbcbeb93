"""Every error that ends a command, one class each, with its own exit code.

A message says what is wrong, `where` names the place (file:line, container, host) and
`hint` tells the user what to do next. Errors are caught once, in `builder.cli.main`.
"""

from typing import ClassVar


class KilnError(Exception):
    """The base of all errors a user can cause or mend.

    Args:
        message: what is wrong, one sentence.
        where: the place, e.g. `kiln.yaml:12` or `registry shop.example:5000`; may be empty.
        hint: what to do next, imperative; may be empty.
        details: further lines, e.g. the last lines of a failing step's output.
    """

    exit_code: ClassVar[int] = 1

    def __init__(
        self, message: str, *, where: str = "", hint: str = "", details: tuple[str, ...] = ()
    ) -> None:
        super().__init__(message)
        self.message = message
        self.where = where
        self.hint = hint
        self.details = details


class ProjectFileError(KilnError):
    """kiln.yaml cannot be read, or does not say what it must."""

    exit_code = 10


class TreeError(KilnError):
    """The shop's source tree cannot be built as it is."""

    exit_code = 11


class HostError(KilnError):
    """The build host lacks something: an engine, a builder, a program, a base image."""

    exit_code = 12


class RegistryError(KilnError):
    """The registry is unreachable, refuses, is full, or lacks what was asked of it."""

    exit_code = 13


class BuildError(KilnError):
    """A step of the image build failed."""

    exit_code = 14


class BusyError(KilnError):
    """Another build of the same tree is running."""

    exit_code = 15


class NotReproducibleError(KilnError):
    """Two builds from the same inputs differ."""

    exit_code = 16


class DiskFullError(KilnError):
    """There is no room left to build in."""

    exit_code = 17


class SignatureError(KilnError):
    """An image is not signed by the configured key."""

    exit_code = 18


class SecretError(KilnError):
    """A secret is missing, empty or not plausible, or cannot be read, written or delivered."""

    exit_code = 19


class StackError(KilnError):
    """A development system does not come up, or is not there."""

    exit_code = 20


class ReleaseError(KilnError):
    """A release failed; what the message says serves now."""

    exit_code = 21


class LockedError(KilnError):
    """Another kiln changes the same system, or this one has lost its lease."""

    exit_code = 22


class RefusedError(KilnError):
    """A release would lose requests or data, or was not accepted; nothing was changed."""

    exit_code = 23


class UnfinishedError(KilnError):
    """A release was left half-way; `kiln resume` goes on with it."""

    exit_code = 24


class EngineError(KilnError):
    """A host's engine does not answer, or refuses what a release needs of it."""

    exit_code = 25


class ProxyError(KilnError):
    """The proxy refuses its configuration, does not answer, or does not do as it was told."""

    exit_code = 26


class UnhealthyError(KilnError):
    """A system does not serve as it should; `kiln status --check` ends with this."""

    exit_code = 27
