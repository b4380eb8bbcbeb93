"""`kiln setup` and `kiln doctor`."""

from pathlib import Path

import click

from builder.cli.output import output_option, print_json, print_table
from builder.cli.settings import read_settings
from builder.errors import HostError, KilnError, ProjectFileError
from builder.host.doctor import examine_host
from builder.host.setup import set_up_host
from builder.magento.shop import inspect_platform, read_lock
from builder.magento.versions import load_versions
from builder.process import run
from builder.project.loading import FILE_NAME, Project, load_project
from builder.project.model import Sign


def _project_here(path: Path) -> Project | None:
    file = path / FILE_NAME if path.is_dir() else path
    return load_project(path) if file.exists() else None


def _suite(project: Project | None) -> str:
    """The Debian release of the project's PHP; the default one outside of a project."""
    if project is not None:
        try:
            lock = read_lock(project.root)
            suite = inspect_platform(project, lock).suite if lock else None
        except KilnError:
            # `kiln lint` says what is wrong with the tree.
            suite = None
        if suite is not None:
            return suite
    return load_versions().debian["8.2"]


@click.command()
@click.option("--mirror", help="Address of Debian's packages; by default this host's own.")
@click.pass_obj
def setup(path: Path, mirror: str | None) -> None:
    """Install and start what a build needs, where it is missing (Debian, as root)."""
    settings = read_settings()
    project = _project_here(path)
    set_up_host(
        run,
        settings.env,
        settings.registry(project),
        _suite(project),
        mirror,
        lambda text: click.echo(text, err=True),
        signs=project is not None and project.file.sign != Sign(),
    )


@click.command()
@output_option
@click.pass_obj
def doctor(path: Path, output: str) -> None:
    """Say what is on this host, what is missing, and the command that mends it."""
    settings = read_settings()
    try:
        project = _project_here(path)
    except ProjectFileError as error:
        click.echo(f"warning: {error.where}: {error.message}", err=True)
        project = None
    checks = examine_host(run, settings.registry(project), project, _suite(project), settings.cache)
    if output == "json":
        print_json([{"name": c.name, "ok": c.ok, "found": c.found, "mend": c.mend} for c in checks])
    else:
        print_table(
            ("", "", "found", "to mend it"),
            [("ok" if c.ok else "MISSING", c.name, c.found, c.mend) for c in checks],
        )
    if not all(check.ok for check in checks):
        raise click.exceptions.Exit(HostError.exit_code)
