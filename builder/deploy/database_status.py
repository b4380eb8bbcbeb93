"""What the role `status` of an image says of the database. Pure."""

import json
from dataclasses import dataclass

from builder.errors import ReleaseError


@dataclass(frozen=True, slots=True)
class DatabaseStatus:
    """What the image says of the database.

    Attributes:
        tables: in it.
        installing: an installation was begun and not ended.
        database, configuration: exit codes of setup:db:status and app:config:status: 0, or 2 where
            something must be done; None where the database is empty.
        said: what each of the two printed.
    """

    tables: int
    installing: bool
    database: int | None
    configuration: int | None
    said: tuple[tuple[str, str], ...] = ()


def parse_status(printed: str) -> DatabaseStatus:
    """Read what the role `status` printed: one line of JSON, the last.

    Raises:
        ReleaseError: there is none.
    """
    lines = [line for line in printed.strip().splitlines() if line.startswith("{")]
    try:
        found = json.loads(lines[-1])
        codes = {
            key: None if found[key] is None else int(found[key]["exit"])
            for key in ("database", "configuration")
        }
        said = {key: str((found[key] or {}).get("said", "")) for key in codes}
        return DatabaseStatus(
            int(found["tables"]), bool(found["installing"]), **codes, said=tuple(said.items())
        )
    except (LookupError, ValueError, TypeError):
        raise ReleaseError(
            "the image does not say what the database needs",
            details=tuple(printed.strip().splitlines()[-10:]),
            hint="see its last lines",
        ) from None


def require_answer(status: DatabaseStatus) -> None:
    """See that Magento could tell what the database needs.

    Raises:
        ReleaseError: it could not.
    """
    codes = {"database": status.database, "configuration": status.configuration}
    for key, code in codes.items():
        if code not in (None, 0, 2):
            raise ReleaseError(
                f"Magento cannot tell whether the {key} is up to date: it ended with {code}",
                details=tuple(dict(status.said).get(key, "").splitlines()[-10:]),
                hint="see its last lines",
            )
