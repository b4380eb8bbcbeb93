"""A build from the plan to the record: the order of steps, and the effects that they have."""

import contextlib
import itertools
import json
import shutil
import time
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Protocol

from builder import __version__
from builder.build.buildkit import BuildRequest, buildx_argv, packages_argv, run_buildkit
from builder.build.compare import differing_files
from builder.build.disk import explain_refusal
from builder.build.inputs import drop_other_inputs, write_input
from builder.build.layout import name_provenance, prune_layout, read_layout
from builder.build.progress import StageTime, Step, Trace
from builder.build.ran import remember_ran
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
from builder.errors import BuildError, DiskFullError, NotReproducibleError
from builder.plan.build import BuildPlan, Inputs
from builder.plan.explain import BuildNames, name_build
from builder.process import Runner
from builder.registry.client import PushResult, Registry
from builder.registry.oci import BuiltImage
from builder.registry.reference import ImageReference
from builder.registry.referrers import ANNOTATION_CREATED, attach, list_referrers
from builder.render.dockerfile import RenderedBuild

# Beside an image's layout: what it was made from.
_MEMORY = "kiln.json"
# In the tree's folder: the digest that was last pushed, by repository.
_PUSHED = "pushed.json"


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
        shared_cache: the image with BuildKit's cache that other hosts share.
        leave_cache: leave this build's cache there, too.
    """

    cache: Path
    env: Mapping[str, str]
    builder: str | None
    secrets: Mapping[str, str]
    run: Runner
    shared_cache: ImageReference | None = None
    leave_cache: bool = False


@dataclass(frozen=True, slots=True)
class Built:
    """A finished build.

    Attributes:
        layout: the folder with the image.
        image: as it lies there.
        stages: what each stage took.
        packages: the output of dpkg-query in the image.
        php_version: in full, e.g. `8.2.29`.
        created: when the image was made.
        seconds: from the start of writing inputs to the image.
        reused: the image of an earlier build from the same inputs.
    """

    layout: Path
    image: BuiltImage
    stages: Mapping[str, StageTime]
    packages: str
    php_version: str
    created: datetime
    seconds: float
    reused: bool


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
    work, store, layout = (shop.cache / name for name in ("work", "inputs", layout_name))
    try:
        # Left by a build that was killed; the lock makes sure that none is running.
        shutil.rmtree(work, ignore_errors=True)
        (work / "empty").mkdir(parents=True)
        (work / "Dockerfile").write_text(rendered.dockerfile, encoding="utf-8")
        watcher.phase("reading the tree's files")
        contexts = _write_contexts(store, plan, rendered, root)
        last = _read_memory(layout)
        # Blobs stay: BuildKit sends only those that the folder does not have.
        for name in (_MEMORY, "index.json"):
            (layout / name).unlink(missing_ok=True)
        shared = str(shop.shared_cache) if shop.shared_cache else None
        request = BuildRequest(
            dockerfile=work / "Dockerfile",
            context=work / "empty",
            contexts=contexts,
            destination=layout,
            secrets=shop.secrets,
            content_version=inputs.content_version,
            no_cache=no_cache,
            builder=shop.builder,
            cache_from=None if no_cache else shared,
            cache_to=shared if shop.leave_cache else None,
        )
        watcher.phase("building")
        names = name_build(plan, rendered.support, rendered.dockerfile, inputs.content_version)
        trace = _run_stages(shop, names, buildx_argv(plan, request), watcher)
        image = read_layout(layout)
        prune_layout(layout, {image.digest})
        if last.get("system") != _system_layers(image):
            versions = work / "versions"
            run_buildkit(packages_argv(plan, request, versions), shop.env, lambda step: None)
            last = {
                "packages": (versions / "dpkg.tsv").read_text(encoding="utf-8"),
                "php_version": (versions / "php").read_text(encoding="utf-8").strip(),
            }
        built = Built(
            layout=layout,
            image=image,
            stages=trace.stages(),
            packages=last["packages"],
            php_version=last["php_version"],
            created=datetime.now(UTC),
            seconds=time.monotonic() - started,
            reused=False,
        )
        _remember(built, inputs)
        return built
    except (OSError, DiskFullError) as error:
        # A full disk is not left full: half an image and half-written inputs are of no use.
        for folder in (store, layout):
            shutil.rmtree(folder, ignore_errors=True)
        if isinstance(error, OSError):
            raise explain_refusal(error, shop.cache) from error
        raise
    finally:
        for folder in (work, layout / "ingest"):
            shutil.rmtree(folder, ignore_errors=True)


def _run_stages(shop: Workshop, names: BuildNames, argv: Sequence[str], watcher: Watcher) -> Trace:
    seen = Trace()

    def on_step(step: Step) -> None:
        seen.steps[step.digest] = step
        watcher.step(step)

    try:
        trace = run_buildkit(argv, shop.env, on_step)
    except (BuildError, KeyboardInterrupt):
        # What is done stays in BuildKit's cache.
        with contextlib.suppress(OSError):
            remember_ran(shop.cache, names, seen.finished())
        raise
    remember_ran(shop.cache, names)
    return trace


def recall_build(cache: Path, plan: BuildPlan, inputs: Inputs) -> Built | None:
    """The last build of this tree, if it was made from the same inputs and is still whole.

    Equal inputs give an equal image, so there is nothing to run, and BuildKit need not be asked.
    """
    layout = cache / "image"
    memory = _read_memory(layout)
    try:
        if memory["inputs"] != inputs.digest:
            return None
        image = read_layout(layout)
        return Built(
            layout=layout,
            image=image,
            stages={name: StageTime(0.0, True, 0) for name in plan.stage_names},
            packages=memory["packages"],
            php_version=memory["php_version"],
            created=datetime.fromisoformat(memory["created"]),
            seconds=0.0,
            reused=True,
        )
    except (ValueError, KeyError, TypeError, BuildError):
        return None


def remember_push(cache: Path, plan: BuildPlan, digest: str) -> None:
    """Keep what was pushed last from a tree, for `find_previous`."""
    pushed = {**_read_json(cache / _PUSHED), plan.repository: digest}
    # The image is in the registry: that the next one does not know of it is no failure.
    with contextlib.suppress(OSError):
        (cache / _PUSHED).write_text(json.dumps(pushed), encoding="utf-8")


def last_built(cache: Path) -> str | None:
    """The digest of the image that was last built from a tree; None where there is none.

    Args:
        cache: the tree's folder in Kiln's cache.
    """
    try:
        return read_layout(cache / "image").digest
    except (OSError, BuildError):
        return None


def _system_layers(image: BuiltImage) -> list[str]:
    """The layers with the base image and Debian's packages: those before the first COPY."""
    steps = itertools.takewhile(lambda layer: not layer.created_by.startswith("COPY"), image.layers)
    return [layer.descriptor.digest for layer in steps]


def _read_memory(layout: Path) -> dict[str, Any]:
    return _read_json(layout / _MEMORY)


def _read_json(path: Path) -> dict[str, Any]:
    try:
        found = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return {}
    return found if isinstance(found, dict) else {}


def _remember(built: Built, inputs: Inputs) -> None:
    memory = {
        "inputs": inputs.digest,
        "system": _system_layers(built.image),
        "packages": built.packages,
        "php_version": built.php_version,
        "created": built.created.isoformat(),
    }
    (built.layout / _MEMORY).write_text(json.dumps(memory), encoding="utf-8")


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
            hint="look in the files for what a hook or module writes: times, random values, hosts",
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
    settings: Mapping[str, Any],
    previous: str | None = None,
) -> ImageRecord:
    """What is known of a finished build. Pure.

    Args:
        plan, inputs, built: the build.
        git: the tree's commit.
        tags: that the image gets.
        composer_packages: of composer.lock.
        settings: kiln.yaml.
        previous: the digest of the image that this one follows.
    """
    themes: dict[str, tuple[str, ...]] = {}
    for stage in plan.static:
        for theme in stage.themes:
            path = f"{stage.area}/{theme}"
            themes[path] = (*themes.get(path, ()), *stage.locales)
    layers = tuple(
        LayerRecord(
            digest=layer.descriptor.digest,
            size=layer.descriptor.size,
            created_by=layer.created_by,
        )
        for layer in built.image.layers
    )
    times = built.stages
    return ImageRecord(
        image=f"{plan.repository}@{built.image.digest}",
        digest=built.image.digest,
        tags=tuple(tags),
        created=built.created,
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
            StageRecord(
                name=name,
                seconds=times[name].seconds,
                cached=times[name].cached,
                began=times[name].began,
                ended=times[name].ended,
            )
            for name in plan.stage_names
            if name in times
        ),
        layers=layers,
        size=sum(layer.size for layer in layers),
        seconds=round(built.seconds, 2),
        previous=previous,
        settings=settings,
    )


def find_previous(
    registry: Registry, plan: BuildPlan, digest: str, tags: Iterable[str], cache: Path
) -> str | None:
    """The image that a push follows: the one under the first of its tags that is there, or else
    the one that was last pushed from this tree.

    Args:
        registry: the client.
        plan: names the repository.
        digest: of the image that is pushed.
        tags: that the user gives it.
        cache: the tree's folder in Kiln's cache.

    Raises:
        RegistryError: the registry fails.
    """
    reference = ImageReference.parse(plan.repository)
    found = (registry.find(reference.with_tag(tag)) for tag in tags)
    standing = next((one for one in found if one), None)
    if standing is None:
        standing = _read_json(cache / _PUSHED).get(plan.repository)
    return None if standing == digest else standing


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
    if built.reused and list_referrers(registry, reference, built.image.digest, RECORD_TYPE):
        return pushed
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
    written = {
        group.name: write_input(group, root, store, plan.epoch, "app") for group in plan.groups
    }
    support = rendered.support
    written[support.name] = write_input(support, root, store, plan.epoch, texts=rendered.contents)
    drop_other_inputs(store, set(written))
    # A context with a stage's name would stand in for the stage.
    return {f"src-{name}": address for name, address in written.items()}
