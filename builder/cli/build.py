"""`kiln build`."""

from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import click

from builder.build.image import (
    Workshop,
    check_reproducible,
    find_previous,
    make_record,
    push_build,
    read_git,
    recall_build,
    remember_push,
    run_build,
)
from builder.build.lock import hold_build_lock
from builder.build.ran import read_ran
from builder.build.secrets import resolve_secrets
from builder.build.sign import SigningKey, sign_image
from builder.cli.output import BuildView, output_option, print_json, print_table
from builder.cli.settings import Settings, read_settings
from builder.errors import HostError, KilnError
from builder.host.base_image import base_reference
from builder.host.engine import check_builder, read_builder, read_engine
from builder.magento.shop import (
    INSTALLED_JSON,
    Report,
    Shop,
    exclusion_for,
    inspect_shop,
    read_lock,
    refuse_problems,
)
from builder.plan.build import BuildPlan, Inputs, name_inputs, plan_build
from builder.plan.explain import (
    Forecast,
    describe_cause,
    explain_build,
    name_build,
    root_causes,
    stage_keys,
)
from builder.process import run
from builder.project.loading import Project, load_project
from builder.project.tree import HashIndex, Tree, scan_tree
from builder.registry.client import PushResult
from builder.registry.reference import ImageReference
from builder.render.dockerfile import RenderedBuild, render_build
from builder.render.units import human_bytes

_SHOWN_CAUSES = 3


@dataclass(frozen=True)
class Prepared:
    """Everything that is decided before BuildKit runs."""

    project: Project
    shop: Shop
    report: Report
    plan: BuildPlan
    rendered: RenderedBuild
    inputs: Inputs


def read_tree(project: Project, settings: Settings) -> Tree:
    """Scan a project's tree."""
    installed = project.root / INSTALLED_JSON
    excluded = exclusion_for(
        project,
        installed.read_bytes() if installed.is_file() else None,
        read_lock(project.root),
    )
    return scan_tree(
        project.root, excluded, HashIndex(settings.tree_cache(project) / "hashes.json")
    )


def prepare(project: Project, settings: Settings) -> Prepared:
    """Read the tree and plan the build; every problem of the tree ends it here."""
    tree = read_tree(project, settings)
    shop, report = inspect_shop(project, tree)
    refuse_problems(report)
    base = resolve_base(project, shop.suite, settings)
    plan = plan_build(
        project,
        shop,
        tree.entries,
        base,
        epoch=settings.epoch,
        auth_json=(project.root / "auth.json").is_file(),
    )
    rendered = render_build(plan)
    whole = plan.with_group(rendered.support)
    return Prepared(project, shop, report, plan, rendered, name_inputs(whole, rendered.dockerfile))


def resolve_base(project: Project, suite: str | None, settings: Settings) -> str:
    """The base image by digest, so that one build has one base."""
    base = project.file.base
    reference = ImageReference.parse(base.image) if base.is_own else base_reference(suite or "")
    if reference.digest:
        return str(reference)
    try:
        digest = settings.registry(project).resolve(reference)
    except KilnError as error:
        raise HostError(
            f"the base image cannot be found: {error.message}",
            where=str(reference),
            hint=error.hint if base.is_own else "run `kiln setup`",
        ) from None
    return f"{reference}@{digest}"


@click.command()
@click.option("--push", is_flag=True, help="Push the image, its record, SBOM and provenance.")
@click.option("--tag", "tags", multiple=True, help="A further tag; may be given several times.")
@click.option("--no-cache", is_flag=True, help="Run every step.")
@click.option(
    "--check-reproducible",
    "twice",
    is_flag=True,
    help="Build twice without cache and compare; names the files that differ.",
)
@click.option("--dry-run", is_flag=True, help="Print the plan and stop.")
@click.option(
    "--explain",
    is_flag=True,
    help="Print which stages would run and for which input, and stop; cached are those that ran "
    "on this host before, as far as BuildKit's cache still holds them.",
)
@output_option
@click.pass_obj
def build(
    path: Path,
    push: bool,
    tags: tuple[str, ...],
    no_cache: bool,
    twice: bool,
    dry_run: bool,
    explain: bool,
    output: str,
) -> None:
    """Build the shop's image, with no database and no Magento on this host."""
    settings = read_settings()
    project = load_project(path)
    cache = settings.tree_cache(project)
    with hold_build_lock(cache / "lock", tree=project.root):
        secrets = resolve_secrets(project, settings.env)
        prepared = prepare(project, settings)
        for warning in prepared.report.warnings:
            click.echo(f"warning: {warning.where}: {warning.message}", err=True)
        if dry_run:
            _print_plan(prepared, output)
            return
        if explain:
            _print_forecast(_forecast(prepared, cache, no_cache=no_cache or twice), output)
            return
        check_builder(read_engine(run), read_builder(run, project.file.build.builder))
        registry = settings.registry(project)
        name = project.file.build.cache
        shared = ImageReference.parse(name) if name else None
        if push:
            registry.check_push(ImageReference.parse(project.repository))
            if shared:
                registry.check_push(shared)
        builder = project.file.build.builder
        shop = Workshop(cache, settings.env, builder, secrets, run, shared, leave_cache=push)
        parts = (shop, prepared.plan, prepared.rendered, prepared.inputs, project.root)
        with BuildView(prepared.plan.stage_names) as view:
            if twice:
                built = check_reproducible(*parts, view)
            else:
                known = None if no_cache else recall_build(cache, prepared.plan, prepared.inputs)
                built = known or run_build(*parts, view, no_cache=no_cache)
            previous = None
            if push:
                digest = built.image.digest
                previous = find_previous(registry, prepared.plan, digest, tags, cache)
            record = make_record(
                prepared.plan,
                prepared.inputs,
                built,
                read_git(run, project.root),
                dict.fromkeys([prepared.inputs.content_version, *tags]),
                prepared.shop.packages,
                project.file.model_dump(mode="json"),
                previous,
            )
            pushed = None
            if push:
                pushed = push_build(
                    registry,
                    prepared.plan,
                    built,
                    record,
                    prepared.shop.packages,
                    prepared.shop.suite or "unknown",
                    view,
                )
                remember_push(cache, prepared.plan, built.image.digest)
                _sign(project, settings, record.image, view)
    if output == "json":
        print_json({**record.model_dump(mode="json"), "pushed": _push_facts(pushed)})
    else:
        _print_result(record.model_dump(), pushed)


def _sign(project: Project, settings: Settings, image: str, view: BuildView) -> None:
    sign = project.file.sign
    if sign.key is None:
        return
    view.phase("signing")
    key = sign.key if "://" in sign.key else str(project.root / sign.key)
    password, password_file = None, None
    if sign.password and sign.password.file:
        password_file = project.root / sign.password.file
    elif sign.password and sign.password.env:
        password = settings.env.get(sign.password.env)
    sign_image(
        run,
        ImageReference.parse(image),
        SigningKey(key, password, password_file),
        env=settings.env,
        access=settings.registry_access(project),
    )


def _print_plan(prepared: Prepared, output: str) -> None:
    plan, inputs = prepared.plan, prepared.inputs
    facts = {
        "shop": plan.shop_name,
        "magento": f"{plan.magento_version} ({plan.magento_edition})",
        "php": plan.php_version,
        "base": plan.base,
        "repository": plan.repository,
        "content_version": inputs.content_version,
        "inputs": inputs.digest,
    }
    groups = [
        {"name": g.name, "files": len(g.entries), "bytes": g.size, "digest": g.digest}
        for g in plan.groups
    ]
    if output == "json":
        print_json({**facts, "stages": plan.stage_names, "groups": groups})
        return
    print_table(("what", ""), list(facts.items()))
    click.echo()
    print_table(
        ("input", "files", "size", "digest"),
        [(g.name, str(len(g.entries)), human_bytes(g.size), g.digest[:12]) for g in plan.groups],
    )
    click.echo(f"\nstages: {', '.join(plan.stage_names)}")


def _forecast(prepared: Prepared, cache: Path, *, no_cache: bool) -> tuple[Forecast, ...]:
    plan, rendered, inputs = prepared.plan, prepared.rendered, prepared.inputs
    names = name_build(plan, rendered.support, rendered.dockerfile, inputs.content_version)
    ran = read_ran(cache)
    keys = set(ran.keys)
    if recall_build(cache, plan, inputs):
        keys |= {*stage_keys(names).values()}
    return explain_build(names, ran.last, keys, no_cache=no_cache)


def _print_forecast(forecasts: tuple[Forecast, ...], output: str) -> None:
    if output == "json":
        print_json({"stages": [asdict(one) for one in forecasts]})
        return
    roots = root_causes(forecasts)
    rows = []
    for one in forecasts:
        causes = [describe_cause(cause) for cause in roots[one.stage]]
        shown, more = causes[:_SHOWN_CAUSES], len(causes) - _SHOWN_CAUSES
        rows.append(
            (one.stage, one.state, "; ".join([*shown, f"and {more} more"] if more > 0 else shown))
        )
    print_table(("stage", "", "why"), rows)


def _push_facts(pushed: PushResult | None) -> dict[str, int] | None:
    if pushed is None:
        return None
    return {
        "bytes_pushed": pushed.bytes_pushed,
        "bytes_reused": pushed.bytes_skipped,
        "layers_pushed": pushed.layers_pushed,
        "layers_reused": pushed.layers_reused,
    }


def _print_result(record: dict[str, Any], pushed: PushResult | None) -> None:
    rows = [
        (stage["name"], "cached" if stage["cached"] else f"{stage['seconds']:.1f} s")
        for stage in record["stages"]
    ]
    print_table(("stage", "time"), rows)
    click.echo(
        f"\n{len(record['layers'])} layers, {human_bytes(record['size'])}, "
        f"built in {record['seconds']:.1f} s"
    )
    if pushed:
        click.echo(
            f"pushed {human_bytes(pushed.bytes_pushed)} in {pushed.layers_pushed} layers, "
            f"{pushed.layers_reused} layers were there"
        )
    else:
        click.echo("not pushed; `kiln build --push` does that")
    click.echo(record["image"] if pushed else record["digest"])
