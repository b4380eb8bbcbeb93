"""The image record: what an image was made from, stored beside it and printed by `kiln inspect`."""

from collections.abc import Mapping
from datetime import datetime
from typing import Any, Literal

from pydantic import BaseModel, ConfigDict, Field

RECORD_TYPE = "application/vnd.kiln.image-record.v1+json"
SBOM_TYPE = "application/vnd.cyclonedx+json"
PROVENANCE_TYPE = "application/vnd.in-toto+json"


class _Record(BaseModel):
    model_config = ConfigDict(frozen=True, extra="ignore")


class GitState(_Record):
    """The commit of the tree.

    Attributes:
        commit: hexadecimal.
        dirty: the tree had changes that are not in it.
    """

    commit: str
    dirty: bool


class StageRecord(_Record):
    """What one stage took: seconds of its steps added up, and whether all came from the cache.

    Attributes:
        began, ended: seconds since BuildKit's first step; None where it came from the cache.
    """

    name: str
    seconds: float
    cached: bool
    began: float | None = None
    ended: float | None = None


class LayerRecord(_Record):
    """One layer: its digest, compressed bytes, and the step that made it."""

    digest: str
    size: int
    created_by: str


class ImageRecord(_Record):
    """Everything that is known of an image.

    Attributes:
        image: repository and digest.
        digest: of the image's manifest; what is deployed and promoted.
        created: when the build ended, UTC.
        inputs: SHA-256 of all inputs, hex; equal inputs give an equal digest.
        input_groups: SHA-256 of each group of files.
        seconds: the whole build, with everything that Kiln does itself.
        size: compressed bytes of all layers.
        previous: the digest of the image that stood in the repository before this one was pushed:
            under its first tag, or else the last one from the same tree.
        settings: kiln.yaml with its defaults.
    """

    schema_version: Literal[1] = 1
    image: str
    digest: str
    tags: tuple[str, ...]
    created: datetime
    kiln: str
    git: GitState | None
    magento_edition: str
    magento_version: str
    php_version: str
    base: str
    content_version: str
    inputs: str
    input_groups: dict[str, str]
    themes: dict[str, tuple[str, ...]]
    static_strategy: str
    composer_packages: int
    debian_packages: int
    stages: tuple[StageRecord, ...]
    layers: tuple[LayerRecord, ...]
    size: int
    seconds: float
    previous: str | None = None
    settings: Mapping[str, Any] = Field(default_factory=dict)
