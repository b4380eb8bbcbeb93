"""A build from the plan to the record: the order of steps, and the effects that they have."""

import shutil
import time
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Protocol

from builder import __version__
from builder.build.buildkit import BuildRequest, buildx_argv, packages_argv, run_buildkit
from builder.build.compare import differing_files
from builder.build.inputs import drop_other_inputs, write_input
from builder.build.layout import name_provenance, prune_layout, read_layout
from builder.build.progress import Step, Trace
from builder.build.record import (
    PROVENANCE_TYPE,
    RECORD_TYPE,
    SBOM_TYPE,
    GitState,
    ImageRecord,
    LayerRecord,
    StageRecord,
)
from builder.build.sbom import ComposerPackage, build_sbom, parse_dpkg
from builder.errors import DiskFullError, NotReproducibleError
from builder.plan.build import BuildPlan, Inputs
from builder.process import Runner
from builder.registry.client import PushResult, Registry
from builder.registry.oci import BuiltImage
from builder.registry.reference import ImageReference
from builder.registry.referrers import ANNOTATION_CREATED, attach
from builder.render.dockerfile import RenderedBuild


class Watcher(Protocol):
    """Told of what happens; shows it to the user."""

    def phase(self, text: str) -> None:
        """Something that is not a step of BuildKit has begun."""

    def step(self, step: Step) -> None:
        """A step of BuildKit has changed."""

    def sent(self, digest: str, done: int, total: int) -> None:
        """So many bytes of a blob are in the registry."""


@dataclass(frozen=True, slots=True)
class Workshop:
    """Where one tree is built and what that needs from outside.

    Attributes:
        cache: this tree's folder; what is in it can be removed at any time.
        env: the environment for client programs, in which `env=` secrets are.
        builder: the buildx builder, or None for the current one.
        secrets: by name, `src=FILE` or `env=VARIABLE`.
        run: runs programs.
    """

    cache: Path
    env: Mapping[str, str]
    builder: str | None
    secrets: Mapping[str, str]
    run: Runner


@dataclass(frozen=True, slots=True)
class Built:
    """A finished build.

    Attributes:
        layout: the folder with the image.
        image: as it lies there.
        trace: what BuildKit did.
        packages: the output of dpkg-query in the image.
        php_version: in full, e.g. `8.2.29`.
        seconds: from the start of writing inputs to the image.
    """

    layout: Path
    image: BuiltImage
    trace: Trace
    packages: str
    php_version: str
    seconds: float


def run_build(
    shop: Workshop,
    plan: BuildPlan,
    rendered: RenderedBuild,
    inputs: Inputs,
    root: Path,
    watcher: Watcher,
    *,
    no_cache: bool = False,
    layout_name: str = "image",
) -> Built:
    """Write the inputs, run BuildKit and read what it made.

    Args:
        shop: where and with what.
        plan, rendered, inputs: what to build.
        root: the source tree.
        watcher: told of progress.
        no_cache: run every step.
        layout_name: the folder in the cache that gets the image.

    Raises:
        BuildError: a step failed.
        DiskFullError: the disk is full, here or at the engine.
        TreeError: a file changed meanwhile.
    """
    started = time.monotonic()
    work = shop.cache / "work"
    try:
        # Left by a build that was killed; the lock makes sure that none is running.
        shutil.rmtree(work, ignore_errors=True)
        (work / "empty").mkdir(parents=True)
        (work / "Dockerfile").write_text(rendered.dockerfile, encoding="utf-8")
        watcher.phase("reading the tree's files")
        contexts = _write_contexts(shop.cache / "inputs", plan, rendered, root)
        layout = shop.cache / layout_name
        # Blobs stay: BuildKit sends only those that the folder does not have.
        (layout / "index.json").unlink(missing_ok=True)
        request = BuildRequest(
            dockerfile=work / "Dockerfile",
            context=work / "empty",
            contexts=contexts,
            destination=layout,
            secrets=shop.secrets,
            content_version=inputs.content_version,
            no_cache=no_cache,
            builder=shop.builder,
        )
        trace = run_buildkit(buildx_argv(plan, request), shop.env, watcher.step)
        image = read_layout(layout)
        prune_layout(layout, {image.digest})
        versions = work / "versions"
        run_buildkit(packages_argv(plan, request, versions), shop.env, lambda step: None)
        return Built(
            layout=layout,
            image=image,
            trace=trace,
            packages=(versions / "dpkg.tsv").read_text(encoding="utf-8"),
            php_version=(versions / "php").read_text(encoding="utf-8").strip(),
            seconds=time.monotonic() - started,
        )
    except OSError as error:
        raise _disk_error(error, shop.cache) from error
    finally:
        shutil.rmtree(work, ignore_errors=True)


def check_reproducible(
    shop: Workshop,
    plan: BuildPlan,
    rendered: RenderedBuild,
    inputs: Inputs,
    root: Path,
    watcher: Watcher,
) -> Built:
    """Build twice, each step anew, and compare.

    Returns:
        The first build, where both are equal.

    Raises:
        NotReproducibleError: they differ; the details name the files.
    """
    builds = []
    try:
        for number, name in ((1, "image"), (2, "second")):
            watcher.phase(f"build {number} of 2, without cache")
            builds.append(
                run_build(
                    shop, plan, rendered, inputs, root, watcher, no_cache=True, layout_name=name
                )
            )
        first, second = builds
        if first.image.digest == second.image.digest:
            return first
        watcher.phase("comparing the two images")
        files = differing_files((first.layout, first.image), (second.layout, second.image))
        raise NotReproducibleError(
            f"two builds of the same inputs differ: {first.image.digest} and {second.image.digest}",
            where=f"{len(files)} files",
            hint="a hook or a module writes times, random values or host names; see the files",
            details=files[:100],
        )
    finally:
        shutil.rmtree(shop.cache / "second", ignore_errors=True)


def make_record(
    plan: BuildPlan,
    inputs: Inputs,
    built: Built,
    git: GitState | None,
    tags: Iterable[str],
    composer_packages: Iterable[ComposerPackage],
    created: datetime,
) -> ImageRecord:
    """What is known of a finished build. Pure."""
    themes: dict[str, tuple[str, ...]] = {}
    for stage in plan.static:
        path = f"{stage.area}/{stage.theme}"
        themes[path] = (*themes.get(path, ()), stage.locale)
    layers = tuple(
        LayerRecord(
            digest=layer.descriptor.digest,
            size=layer.descriptor.size,
            created_by=layer.created_by,
        )
        for layer in built.image.layers
    )
    times = built.trace.stages()
    return ImageRecord(
        image=f"{plan.repository}@{built.image.digest}",
        digest=built.image.digest,
        tags=tuple(tags),
        created=created,
        kiln=__version__,
        git=git,
        magento_edition=plan.magento_edition,
        magento_version=plan.magento_version,
        php_version=built.php_version,
        base=plan.base,
        content_version=inputs.content_version,
        inputs=inputs.digest,
        input_groups=dict(inputs.groups),
        themes=themes,
        static_strategy=plan.static_strategy,
        composer_packages=len(list(composer_packages)),
        debian_packages=len(parse_dpkg(built.packages)),
        stages=tuple(
            StageRecord(name=name, seconds=times[name].seconds, cached=times[name].cached)
            for name in plan.stage_names
            if name in times
        ),
        layers=layers,
        size=sum(layer.size for layer in layers),
        seconds=round(built.seconds, 2),
    )


def push_build(
    registry: Registry,
    plan: BuildPlan,
    built: Built,
    record: ImageRecord,
    composer_packages: Iterable[ComposerPackage],
    distro: str,
    watcher: Watcher,
) -> PushResult:
    """Push the image, then hang provenance, SBOM and record beside it.

    The tags come with the image: whoever pulls one before the rest is there lacks only papers.

    Raises:
        RegistryError: the registry fails; the image in the cache stays for another try.
    """
    reference = ImageReference.parse(plan.repository)
    watcher.phase(f"pushing to {plan.repository}")
    pushed = registry.push_image(built.layout, built.image, reference, record.tags, watcher.sent)
    watcher.phase("attaching record, SBOM and provenance")
    annotations = {ANNOTATION_CREATED: record.created.astimezone(UTC).isoformat(timespec="seconds")}

    def hang(kind: str, content: bytes, title: str) -> None:
        blobs = [(kind, content, title)]
        attach(registry, reference, built.image.descriptor, kind, blobs, annotations)

    if built.image.provenance is not None:
        statement = name_provenance(built.image.provenance, plan.repository, built.image.digest)
        hang(PROVENANCE_TYPE, statement, "provenance.json")
    sbom = build_sbom(
        composer_packages,
        parse_dpkg(built.packages),
        plan.repository,
        built.image.digest,
        record.created,
        distro=distro,
    )
    hang(SBOM_TYPE, sbom.encode(), "sbom.cdx.json")
    hang(RECORD_TYPE, record.model_dump_json(indent=2).encode(), "record.json")
    return pushed


def read_git(run: Runner, root: Path) -> GitState | None:
    """The commit of a tree, or None where git knows none."""
    try:
        commit = run(["git", "-C", str(root), "rev-parse", "HEAD"], timeout=30)
        status = run(["git", "-C", str(root), "status", "--porcelain"], timeout=60)
    except (OSError, TimeoutError):
        return None
    if commit.returncode != 0:
        return None
    return GitState(commit=commit.stdout.strip(), dirty=bool(status.stdout.strip()))


def _write_contexts(
    store: Path, plan: BuildPlan, rendered: RenderedBuild, root: Path
) -> dict[str, str]:
    written = {group.name: write_input(group, root, store, plan.epoch) for group in plan.groups}
    support = rendered.support
    written[support.name] = write_input(support, root, store, plan.epoch, rendered.contents)
    drop_other_inputs(store, set(written))
    # A context with a stage's name would stand in for the stage.
    return {f"src-{name}": address for name, address in written.items()}


def _disk_error(error: OSError, cache: Path) -> Exception:
    if error.errno in (28, 122):  # ENOSPC, EDQUOT
        return DiskFullError(
            "there is no room left for the build's files",
            where=str(cache),
            hint="free room, or set KILN_CACHE to a folder on a larger disk",
        )
    return error
