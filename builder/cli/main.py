"""`kiln`: the command line, and the one place where errors end a command."""

import signal
import sys
from pathlib import Path
from types import FrameType

import click

from builder import __version__
from builder.cli import (
    build,
    config,
    deploy,
    dev,
    host,
    image,
    look,
    operate,
    project,
    promote,
    render,
    report,
    secrets,
)
from builder.cli.output import print_error
from builder.errors import KilnError

_INTERRUPTED = 130


@click.group(context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 100})
@click.version_option(__version__, prog_name="kiln")
@click.option(
    "--project",
    "project_path",
    type=click.Path(path_type=Path),
    default=Path(),
    help="kiln.yaml or its folder; the current one by default.",
)
@click.pass_context
def cli(context: click.Context, project_path: Path) -> None:
    """Build a Magento 2 shop into one immutable image.

    \b
    Exit codes: 0 done, 2 wrong usage, 10 kiln.yaml, 11 the tree, 12 this host,
    13 the registry, 14 a build step, 15 another build is running, 16 not
    reproducible, 17 disk full, 18 signature, 19 a secret,
    20 a development system, 21 a release, 22 locked, 23 refused, 24 a release
    left half-way, 25 a host's engine, 26 the proxy, 27 not healthy (status
    --check), 130 interrupted.
    """
    context.obj = project_path


for command in (
    build.build,
    render.render,
    project.init,
    project.lint,
    project.schema,
    host.setup,
    host.doctor,
    dev.dev,
    image.inspect,
    image.sbom,
    image.verify,
    report.report,
    secrets.secrets,
    config.config,
    deploy.plan,
    deploy.deploy,
    deploy.rollback,
    deploy.resume,
    look.status,
    look.history,
    look.logs,
    look.exec_,
    operate.unlock,
    operate.prune,
    promote.accept,
    promote.promote,
):
    cli.add_command(command)


def main() -> None:
    """Run the command line and end the process."""
    # A cancelled job and a closed terminal clear up as Ctrl-C does.
    for number in (signal.SIGTERM, signal.SIGHUP):
        if signal.getsignal(number) is signal.SIG_DFL:
            signal.signal(number, _interrupt)
    try:
        # click gives the code of an `Exit` back, and catches it itself.
        code = cli.main(standalone_mode=False)
    except KilnError as error:
        print_error(error)
        sys.exit(error.exit_code)
    except click.ClickException as error:
        error.show()
        sys.exit(error.exit_code)
    except (click.Abort, KeyboardInterrupt):
        click.echo("interrupted; the next command clears up", err=True)
        sys.exit(_INTERRUPTED)
    except BrokenPipeError:
        # The reader, e.g. `head`, has gone.
        sys.exit(_INTERRUPTED)
    sys.exit(code if isinstance(code, int) else 0)


def _interrupt(number: int, frame: FrameType | None) -> None:
    raise KeyboardInterrupt
