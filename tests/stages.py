"""What each stage of a Dockerfile sees, read off its text as BuildKit reads it."""

import hashlib
import json
import re
from collections.abc import Iterator

from builder.plan.build import BuildPlan, name_inputs
from builder.render.dockerfile import render_build

_FROM = re.compile(r"^FROM (\S+) AS (\S+)$", re.MULTILINE)
_SOURCE = re.compile(r"^COPY .*--from=(\S+)|--mount=type=bind,from=([^,]+)", re.MULTILINE)
_COMMENT = re.compile(r"^ *#.*\n", re.MULTILINE)


def stage_inputs(plan: BuildPlan) -> dict[str, str]:
    """By stage, a digest over all that its steps depend on: their text and what they begin with.

    What a stage begins with is the stage before, and what it copies: files of the tree, or what
    another stage has made.
    """
    rendered = render_build(plan)
    whole = plan.with_group(rendered.support)
    version = name_inputs(whole, rendered.dockerfile).content_version
    files = {f"src-{group.name}": group.digest for group in whole.groups}
    stages: dict[str, str] = {}
    for name, sources, text in _read_stages(rendered.dockerfile):
        seen = [files.get(source) or stages.get(source, source) for source in sources]
        known = [text.split(), seen, version if "ARG CONTENT_VERSION" in text else ""]
        stages[name] = hashlib.sha256(json.dumps(known).encode()).hexdigest()
    return stages


def _read_stages(dockerfile: str) -> Iterator[tuple[str, list[str], str]]:
    parts = _FROM.split(_COMMENT.sub("", dockerfile))
    for base, name, text in zip(parts[1::3], parts[2::3], parts[3::3], strict=True):
        yield name, [base, *(one or other for one, other in _SOURCE.findall(text))], text
