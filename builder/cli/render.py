"""`kiln render`: what a build, or a cluster, would be given."""

from pathlib import Path

import click

from builder.cli.build import prepare
from builder.cli.output import ReleaseView
from builder.cli.settings import read_settings
from builder.cli.system import environment_argument
from builder.deploy.engine import connect
from builder.deploy.kubernetes import describe_release
from builder.errors import HostError
from builder.plan.kubernetes import plan_cluster
from builder.process import run
from builder.project.environments import load_environment
from builder.project.loading import load_project
from builder.registry.reference import ImageReference
from builder.render.kubernetes import MANIFESTS, NOTES, render_manifests


@click.group(invoke_without_command=True)
@click.pass_context
def render(context: click.Context) -> None:
    """Print the Dockerfile that a build would use."""
    if context.invoked_subcommand is None:
        prepared = prepare(load_project(context.obj), read_settings())
        click.echo(prepared.rendered.dockerfile, nl=False)


@render.command()
@environment_argument
@click.option(
    "--image",
    required=True,
    help="REPOSITORY@sha256:..., as `kiln build --push` prints it; pulled where it is not here.",
)
@click.option(
    "--to",
    "folder",
    type=click.Path(file_okay=False, path_type=Path),
    help="Write files there, with a README that says in which order they are applied.",
)
@click.pass_obj
def kubernetes(path: Path, environment: str, image: str, folder: Path | None) -> None:
    """Write the manifests that run an image as ENVIRONMENT in a Kubernetes cluster."""
    if ImageReference.parse(image).digest is None:
        raise click.BadParameter(
            f"{image} has no digest, and a tag may be another image tomorrow; "
            "`kiln build --push` prints the digest",
            param_hint="--image",
        )
    project = load_project(path)
    loaded = load_environment(project.root, environment)
    # Before the image is fetched.
    cluster = plan_cluster(project, loaded)
    engine = connect(None, read_settings().env, run)
    with ReleaseView() as view:
        release = describe_release(engine, cluster, loaded, image, view.detail)
    files = render_manifests(release)
    if folder is None:
        click.echo("".join(files[name] for name in MANIFESTS), nl=False)
        click.echo(files[NOTES], nl=False, err=True)
        return
    try:
        folder.mkdir(parents=True, exist_ok=True)
        for name, text in files.items():
            (folder / name).write_text(text, encoding="utf-8")
    except OSError as error:
        raise HostError(
            f"the manifests cannot be written: {error.strerror}",
            where=str(error.filename or folder),
            hint="give --to a folder that may be written to",
        ) from None
    click.echo(f"{folder / NOTES} says in which order {folder}/*.yaml are applied")
