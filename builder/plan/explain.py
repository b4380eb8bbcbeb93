"""Which stages a build will run, and for which input. Pure.

A stage is named by its own lines in the Dockerfile, the build arguments and files that these lines
take, and the stages that it stands on; all of it is read off the Dockerfile itself, so that a
template can change without this module. BuildKit names steps likewise, and runs those that it does
not know: a stage in the Dockerfile's order is compared with those that ran on this host before.
"""

import hashlib
import json
import re
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Literal

from builder.plan.build import BuildPlan, InputGroup

State = Literal["runs", "may run", "cached"]

# The last stage: only what leads to it is built.
_TARGET = "runtime"
# A COPY, and what a RUN mounts.
_TAKEN = re.compile(
    r"COPY (?:--\S+ )*--from=(\S+) (\S+) |--mount=type=bind,from=([^,]+),source=([^,]+),"
)
_FROM = re.compile(r"FROM (?P<base>\S+) AS (?P<name>\S+)")
_ARG = re.compile(r"ARG (?P<name>\w+)")


@dataclass(frozen=True, slots=True)
class BuildNames:
    """What names the stages of a build.

    Attributes:
        dockerfile: its text.
        arguments: build arguments by name.
        files: by build context, each path with mode and the first digits of its content's hash.
    """

    dockerfile: str
    arguments: Mapping[str, str]
    files: Mapping[str, Mapping[str, str]]


@dataclass(frozen=True, slots=True)
class Cause:
    """One thing that makes a stage run.

    Attributes:
        kind: `file`, `step` (a line of the Dockerfile), `argument`, `stage` (this one, which is
            new, or one that it stands on), or `build` (there is nothing to compare with).
        what: its name.
        how: what became of it, e.g. `changed`; of a stage that it stands on, the state; of a
            `build`, nothing.
    """

    kind: Literal["file", "step", "argument", "stage", "build"]
    what: str
    how: str


_NO_CACHE = Cause("build", "--no-cache", "")
_NO_BUILD = Cause("build", "no build before on this host", "")


@dataclass(frozen=True, slots=True)
class Forecast:
    """What a build will do about a stage.

    Attributes:
        stage: its name.
        state: `may run` where it takes what another stage makes, which may turn out the same.
        causes: of what is new in it; empty where it is cached.
    """

    stage: str
    state: State
    causes: tuple[Cause, ...]


@dataclass(frozen=True, slots=True)
class _Stage:
    base: str
    lines: tuple[str, ...]
    arguments: tuple[str, ...]
    copies: tuple[tuple[str, str], ...]


def name_build(
    plan: BuildPlan, support: InputGroup, dockerfile: str, content_version: str
) -> BuildNames:
    """What names the stages of a plan that is rendered as this Dockerfile.

    Args:
        plan, dockerfile: what is built.
        support: Kiln's own files.
        content_version: from the inputs.
    """
    return BuildNames(
        dockerfile,
        {"CONTENT_VERSION": content_version, "SOURCE_DATE_EPOCH": str(plan.epoch)},
        {
            f"src-{group.name}": {
                entry.path: ("l" if entry.target is not None else "x" if entry.executable else "-")
                + entry.digest[:16]
                for entry in group.entries
            }
            for group in (*plan.groups, support)
        },
    )


def stage_keys(names: BuildNames) -> dict[str, str]:
    """What stands for each stage, with all below it: equal keys, equal stages."""
    stages = _read_stages(names.dockerfile)
    selections: dict[tuple[str, str], object] = {}
    keys: dict[str, str] = {}
    for name, stage in stages.items():
        taken: list[object] = []
        for copy in stage.copies:
            if copy[0] not in keys and copy not in selections:
                selections[copy] = _digest(sorted(_select(names, *copy).items()))
            taken.append(keys.get(copy[0]) or selections[copy])
        arguments = [names.arguments.get(argument, "") for argument in stage.arguments]
        base = keys.get(stage.base, stage.base)
        keys[name] = _digest([base, stage.lines, arguments, taken])
    return keys


def explain_build(
    now: BuildNames, last: BuildNames | None, known: Collection[str], *, no_cache: bool = False
) -> tuple[Forecast, ...]:
    """What a build will do, stage by stage in the Dockerfile's order.

    Args:
        now: what is to be built.
        last: the last build that ended well; None where there is none.
        known: keys of all stages that have run on this host.
        no_cache: every step runs.
    """
    stages = _read_stages(now.dockerfile)
    keys, last_keys = stage_keys(now), stage_keys(last) if last else {}
    last_stages = _read_stages(last.dockerfile) if last else {}
    found: dict[str, Forecast] = {}
    for name, stage in stages.items():
        if no_cache:
            found[name] = Forecast(name, "runs", (_NO_CACHE,))
        elif keys[name] in known:
            found[name] = Forecast(name, "cached", ())
        elif last is None:
            found[name] = Forecast(name, "runs", (_NO_BUILD,))
        elif name not in last_stages:
            found[name] = Forecast(name, "runs", (Cause("stage", name, "added"),))
        else:
            own = _own_causes(now, stage, last, last_stages[name])
            others = {
                other: found[other].state
                for other in (stage.base, *(source for source, _ in stage.copies))
                if other in stages and keys[other] != last_keys.get(other)
            }
            below = (Cause("stage", other, state) for other, state in others.items())
            certain = own or others.get(stage.base, "may run") != "may run"
            found[name] = Forecast(name, "runs" if certain else "may run", (*own, *below))
    needed = _needed(stages)
    return tuple(one for name, one in found.items() if name in needed)


def done_with_all_below(names: BuildNames, done: Collection[str]) -> set[str]:
    """Those of the stages that are done of which all that they stand on are done as well.

    BuildKit runs a COPY --link before the steps above it: of a stage that failed, the last step
    alone may have been heard of.
    """
    whole: set[str] = set()
    stages = _read_stages(names.dockerfile)
    for name, stage in stages.items():
        below = {stage.base, *(source for source, _ in stage.copies)} & stages.keys()
        if name in done and below <= whole:
            whole.add(name)
    return whole


def root_causes(forecasts: Iterable[Forecast]) -> dict[str, tuple[Cause, ...]]:
    """For each stage what has changed for it in the first place, in a stage below it or its own."""
    roots: dict[str, tuple[Cause, ...]] = {}
    for one in forecasts:
        causes: dict[Cause, None] = {}
        for cause in one.causes:
            below = roots.get(cause.what, ()) if cause.kind == "stage" else (cause,)
            causes.update(dict.fromkeys(below or (cause,)))
        roots[one.stage] = tuple(causes)
    return roots


def describe_cause(cause: Cause) -> str:
    """A few words on what makes a stage run."""
    match cause:
        case Cause("build"):
            return cause.what
        case Cause("argument", "CONTENT_VERSION"):
            return "the content version, which every input is part of"
        case Cause("step"):
            return f"step {cause.how}: {cause.what}"
        case Cause("stage", _, "added"):
            return "the stage is new"
        case Cause("stage", _, "cached"):
            return f"{cause.what} is that of an earlier build"
    return f"{cause.what} {cause.how}"


def _needed(stages: Mapping[str, _Stage]) -> set[str]:
    needed, queue = set(), [_TARGET]
    while queue:
        name = queue.pop()
        if name in stages and name not in needed:
            needed.add(name)
            queue += [stages[name].base, *(source for source, _ in stages[name].copies)]
    return needed


def _own_causes(
    now: BuildNames, stage: _Stage, last: BuildNames, last_stage: _Stage
) -> tuple[Cause, ...]:
    files = set()
    # Everything lies below its time: with another time, the same place has another name.
    time, last_time = (f"/{one.arguments['SOURCE_DATE_EPOCH']}/" for one in (now, last))
    last_copies = {(source, path.replace(last_time, time)) for source, path in last_stage.copies}
    for source, path in {*stage.copies, *last_copies}:
        new = _select(now, source, path)
        old = _select(last, source, path.replace(time, last_time))
        files |= {Cause("file", path, "removed") for path in old.keys() - new.keys()}
        files |= {Cause("file", path, "added") for path in new.keys() - old.keys()}
        both = new.keys() & old.keys()
        files |= {Cause("file", path, "changed") for path in both if new[path] != old[path]}
    lines = (stage.base, *stage.lines)
    last_lines = (last_stage.base, *(line.replace(last_time, time) for line in last_stage.lines))
    steps = [Cause("step", line, "added") for line in lines if line not in last_lines]
    steps += [Cause("step", line, "removed") for line in last_lines if line not in lines]
    if not steps and lines != last_lines:
        steps = [Cause("step", lines[0], "in another order")]
    taken = (
        *stage.arguments,
        *(["SOURCE_DATE_EPOCH"] if any(time in one for one in lines) else []),
    )
    arguments = (
        Cause("argument", name, "changed")
        for name in dict.fromkeys(taken)
        if now.arguments.get(name) != last.arguments.get(name)
    )
    return (*sorted(files, key=lambda cause: cause.what), *steps, *arguments)


def _select(names: BuildNames, source: str, path: str) -> Mapping[str, str]:
    files = names.files.get(source, {})
    # The tree's files lie below their time in their contexts; Kiln's own as they are named.
    root = f"/{names.arguments['SOURCE_DATE_EPOCH']}/"
    below = "" if path == root else path.lstrip("/")
    return {name: digest for name, digest in files.items() if name.startswith(below)}


def _read_stages(dockerfile: str) -> dict[str, _Stage]:
    blocks: list[list[str]] = []
    for line in (line.strip().rstrip("\\ ") for line in dockerfile.splitlines()):
        if line.startswith("FROM "):
            blocks.append([])
        # The parser drops comments inside of a step, too.
        if line and not line.startswith("#"):
            blocks[-1].append(line)
    return dict(map(_read_stage, blocks))


def _read_stage(block: Sequence[str]) -> tuple[str, _Stage]:
    begun, lines = _FROM.fullmatch(block[0]), tuple(block[1:])
    assert begun, block[0]
    arguments = filter(None, map(_ARG.match, lines))
    taken = filter(None, map(_TAKEN.match, lines))
    base = begun["base"]
    # A context that a stage begins with is taken whole.
    begins_with = ((base, "/"),) if base.startswith("src-") else ()
    return begun["name"], _Stage(
        base=base,
        lines=lines,
        arguments=tuple(match["name"] for match in arguments),
        copies=(
            *begins_with,
            *((match[1] or match[3], match[2] or match[4]) for match in taken),
        ),
    )


def _digest(value: object) -> str:
    return hashlib.sha256(json.dumps(value).encode()).hexdigest()[:16]
