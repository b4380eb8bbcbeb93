"""What a reader noticed that need not end the command."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Finding:
    """Something in the tree the user should know of.

    Attributes:
        message: what is wrong, one sentence.
        where: the place, e.g. `app/etc/config.php:12`.
        hint: what to do next, imperative; may be empty.
    """

    message: str
    where: str
    hint: str = ""
