"""The base of models that take no other keys than their own, and do not change."""

from pydantic import BaseModel, ConfigDict


class FrozenModel(BaseModel):
    """An unknown key is an error; a value is made once."""

    model_config = ConfigDict(extra="forbid", frozen=True)
