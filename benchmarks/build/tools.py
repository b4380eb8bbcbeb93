"""How each tool builds the working copy and pushes the image."""

import itertools
import json
import re
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from benchmarks.build.measure import Image, Span, read_image
from benchmarks.build.rows import KILN, LINEAR, TOOLS
from benchmarks.build.working_copy import deploy_options, read_themes
from builder.build.buildkit import compression_options, run_buildkit
from builder.build.inputs import write_input
from builder.build.progress import Trace
from builder.cli.build import prepare
from builder.cli.settings import read_settings
from builder.project.loading import load_project
from builder.registry.client import Registry
from builder.registry.reference import ImageReference
from tests.conftest import ROOT

HERE = Path(__file__).parent
_TAG = "built"

# Kiln's own words when nobody looks at a terminal: builder.cli.output.BuildView.
_SAID = re.compile(r" *[\d.]+ s  (?P<text>.*)\n?")
_STEP_SAID = re.compile(r"(?P<stage>[\w.-]+): .* \((?P<took>[\d.]+) s\)")
_BUILDING = "building"
_STEP_ENDED = re.compile(r"[\w.-]+: .* \((?:[\d.]+ s|cached|failed)\)")


@dataclass
class Bench:
    """Where everything of one run of the benchmark lies.

    Attributes:
        tree: the working copy.
        work: a folder beside it; goes at the end.
        registry: address of the benchmark's own registry.
        kiln_cache: Kiln's cache; another folder is one that knows nothing.
        php, tools: images by tag, with what Kiln's stages of these names hold.
        env: of the programs.
    """

    tree: Path
    work: Path
    registry: str
    kiln_cache: Path
    env: Mapping[str, str]
    php: str = ""
    tools: str = ""


@dataclass(frozen=True)
class Built:
    """What a tool says of its build.

    Attributes:
        reference: names the image in the registry.
        timeline: what it did and when, from the start of the command.
        record: what `kiln build` prints; empty for others.
    """

    reference: str
    timeline: tuple[Span, ...]
    record: Mapping[str, Any]

    @property
    def stages(self) -> Mapping[str, float]:
        """Seconds by stage, as Kiln says it."""
        return {one["name"]: one["seconds"] for one in self.record.get("stages", ())}


class ToolError(Exception):
    """A tool did not build what it was to build."""


def provide_base(bench: Bench) -> str:
    """Build what all tools begin with, from Kiln's own stages, so that nobody waits for packages.

    Returns:
        The Magento version of the tree.
    """
    settings = replace(read_settings(), cache=bench.work / "base-cache")
    prepared = prepare(load_project(bench.tree), settings)
    plan, rendered = prepared.plan, prepared.rendered
    dockerfile = bench.work / "base.Dockerfile"
    dockerfile.write_text(rendered.dockerfile)
    store = bench.work / "base-inputs"
    support = write_input(rendered.support, bench.tree, store, plan.epoch, texts=rendered.contents)
    empty = bench.work / "empty"
    empty.mkdir(exist_ok=True)
    bench.php, bench.tools = (f"{bench.registry}/{stage}:{_TAG}" for stage in ("php", "tools"))
    for stage, name in (("php", bench.php), ("tools", bench.tools)):
        argv = ["docker", "buildx", "build", "--file", str(dockerfile), "--target", stage]
        argv += ["--build-context", f"src-kiln={support}"]
        argv += ["--build-arg", f"SOURCE_DATE_EPOCH={plan.epoch}"]
        run_buildkit(
            [*argv, *_pushed_as(name, compression_options(plan)), str(empty)],
            bench.env,
            lambda step: None,
        )
    # Both laid out on the engine's disk, as on a host that builds every day.
    dockerfile.write_text(
        f"FROM {bench.php} AS php\nRUN touch /there\n"
        f"FROM {bench.tools}\nRUN touch /there\nCOPY --from=php /there /there\n"
    )
    argv = ["docker", "buildx", "build", "--file", str(dockerfile), "--progress", "rawjson"]
    run_buildkit([*argv, str(empty)], bench.env, lambda step: None)
    return plan.magento_version


def build_with(tool: str, bench: Bench, version: str) -> Built:
    """Build the working copy and push the image.

    Args:
        tool: kiln, linear or naive.
        bench: where.
        version: digits for static content, of the tools that are told one.

    Raises:
        ToolError: Kiln failed.
        BuildError: another tool failed.
    """
    return build_with_kiln(bench) if tool == KILN else build_with_docker(tool, bench, version)


def build_with_kiln(bench: Bench) -> Built:
    """`kiln build --push`, as a user runs it."""
    begun = time.monotonic()
    said: list[tuple[float, str]] = []
    with tempfile.TemporaryFile("w+") as output:
        process = subprocess.Popen(
            [sys.executable, "-m", "builder", "build", "--push", "--output", "json"],
            cwd=bench.tree,
            env={**bench.env, "KILN_CACHE": str(bench.kiln_cache), "PYTHONPATH": str(ROOT)},
            stdout=output,
            stderr=subprocess.PIPE,
            text=True,
        )
        assert process.stderr is not None
        try:
            said += [(time.monotonic() - begun, line) for line in process.stderr]
            code = process.wait()
        finally:
            process.terminate()
            process.wait()
        ended = time.monotonic() - begun
        if code != 0:
            raise ToolError("".join(line for _, line in said))
        output.seek(0)
        record = json.load(output)
    return Built(record["image"], tuple(read_said(said, ended)), record)


def read_said(lines: Sequence[tuple[float, str]], ended: float) -> Iterator[Span]:
    """What Kiln did, from the lines that it prints, each with the moment it came. Pure.

    BuildKit's export is not told of: it is what is left after a build's last step.

    Args:
        lines: seconds since the start, and the line.
        ended: when the command ended.
    """
    texts = [(at, found["text"]) for at, line in lines if (found := _SAID.fullmatch(line))]
    phases = [(at, text) for at, text in texts if not _STEP_ENDED.fullmatch(text)]
    steps = [(at, text) for at, text in texts if _STEP_ENDED.fullmatch(text)]
    moments = [0.0, *(at for at, _ in phases), ended]
    spans = itertools.pairwise(moments)
    for (begun, end), name in zip(spans, ["starting", *(text for _, text in phases)], strict=True):
        yield Span(name, begun, end)
        if name == _BUILDING and steps:
            yield Span("exporting", steps[-1][0], end)
    for at, text in steps:
        if found := _STEP_SAID.fullmatch(text):
            yield Span(found["stage"], max(0.0, at - float(found["took"])), at)


def build_with_docker(tool: str, bench: Bench, version: str) -> Built:
    """`docker buildx build` with a Dockerfile of this folder."""
    # Beside each lies its .dockerignore.
    dockerfile = HERE / f"{tool}.Dockerfile"
    name = f"{bench.registry}/{tool}:{_TAG}"
    argv = ["docker", "buildx", "build", "--file", str(dockerfile)]
    arguments = {
        "PHP": bench.php,
        "TOOLS": bench.tools,
        "DEPLOY": "\n".join(deploy_options(read_themes(bench.tree))),
        "CONTENT_VERSION": version,
    }
    for key, value in arguments.items():
        argv += ["--build-arg", f"{key}={value}"]
    # What `--push` does, and the better compression for the one that is given the best options.
    argv += _pushed_as(name, [f"compression={'zstd' if tool == LINEAR else 'gzip'}"])
    before = _image_id(name)
    begun = time.time()
    trace = run_buildkit([*argv, str(bench.tree)], bench.env, lambda step: None)
    # The one before has no name any more. This one stays, or its layers would be compressed anew.
    if before and before != _image_id(name):
        _remove_images(before)
    return Built(name, tuple(read_trace(trace, begun)), {})


def forget_images(bench: Bench) -> None:
    """Remove what the engine has of the images that other tools built last."""
    _remove_images(*(f"{bench.registry}/{tool}:{_TAG}" for tool in TOOLS if tool != KILN))


def _remove_images(*names: str) -> None:
    subprocess.run(["docker", "image", "rm", "--force", *names], capture_output=True, check=False)


def _image_id(name: str) -> str:
    argv = ["docker", "image", "inspect", "--format", "{{.Id}}", name]
    return subprocess.run(argv, capture_output=True, text=True, check=False).stdout.strip()


def read_trace(trace: Trace, begun: float) -> Iterator[Span]:
    """What BuildKit did. Pure.

    Args:
        trace: of a build.
        begun: Unix time of its start.
    """
    for step in trace.steps.values():
        if step.started is not None and step.completed is not None and not step.cached:
            yield Span(step.name, step.started - begun, step.completed - begun)


def _pushed_as(name: str, compression: Sequence[str]) -> list[str]:
    fields = ["type=image", f"name={name}", "push=true", *compression]
    if "compression=gzip" not in compression:
        fields += ["oci-mediatypes=true"]
    return ["--provenance", "false", "--progress", "rawjson", "--output", ",".join(fields)]


def fetch_image(registry: Registry, reference: str) -> Image:
    """The image that a reference names, as the registry serves it."""
    ref = ImageReference.parse(reference)
    manifest = registry.fetch_manifest(ref)
    described = json.loads(manifest.body)
    config = json.loads(registry.fetch_blob(ref, described["config"]["digest"]))
    return read_image(manifest.digest, described, config)
