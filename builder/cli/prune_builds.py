"""`kiln prune --builds`: clearing up what builds have left on this host."""

from pathlib import Path

import click

from builder.build.prune import (
    find_old_state,
    measure_buildkit,
    prune_buildkit,
    remove_old_state,
)
from builder.cli.output import print_json
from builder.cli.settings import read_settings
from builder.process import run
from builder.project.loading import load_project
from builder.render.units import human_bytes


def prune_builds(path: Path, dry_run: bool, output: str) -> None:
    """Prune BuildKit's cache and Kiln's, or say what would go."""
    settings, build = read_settings(), load_project(path).file.build
    found = find_old_state(settings.cache)
    used = measure_buildkit(run, settings.env, build.builder)
    removed = found if dry_run else tuple(one for one in found if remove_old_state(one))
    freed = 0
    if not dry_run:
        freed = prune_buildkit(run, settings.env, build.builder, build.cache_bytes)
    paths = [str(path) for one in removed for path in (one.paths or (one.folder,))]
    if output == "json":
        cache = {"used": used, "bound": build.cache_bytes, "freed": freed}
        size = sum(one.size for one in removed)
        print_json({"removed": not dry_run, "paths": paths, "bytes": size, "buildkit": cache})
        return
    for name in paths:
        click.echo(f"file: {name}")
    click.echo(
        f"BuildKit's cache: {human_bytes(used)}, bound {human_bytes(build.cache_bytes)}"
        + ("" if dry_run else f", freed {human_bytes(freed)}")
    )
