"""The model of a sensitive value in environments/<name>.yaml: its name, never itself."""

import re
from typing import Annotated

from pydantic import AfterValidator, Field, StrictStr

from builder.project.frozen import FrozenModel

SECRET_NAME = re.compile(r"[a-z0-9]+(?:[-_][a-z0-9]+)*")


def matching(pattern: re.Pattern[str], form: str) -> AfterValidator:
    """A validator of a whole value; `form` is for its message."""

    def check(value: str) -> str:
        if not pattern.fullmatch(value):
            raise ValueError(f"must have the form {form}")
        return value

    return AfterValidator(check)


SecretName = Annotated[StrictStr, matching(SECRET_NAME, "lower-case-words"), Field(max_length=63)]


class Secret(FrozenModel):
    """A sensitive value, by its name in the environment's secret source."""

    secret: SecretName
