"""`kiln init`, `kiln lint` and `kiln schema`."""

import shutil
from pathlib import Path

import click

from builder.cli.build import read_tree
from builder.cli.output import output_option, print_json, print_report, report_as_json
from builder.cli.settings import read_settings
from builder.errors import ProjectFileError, TreeError
from builder.magento.shop import inspect_shop
from builder.magento.suggest import suggest_settings
from builder.project.loading import FILE_NAME, load_project, parse_project_file
from builder.project.model import ProjectFile
from builder.project.sample import render_sample
from builder.render.templates import template_folder


@click.command()
@click.option("--force", is_flag=True, help="Replace a kiln.yaml that is there.")
@click.pass_obj
def init(path: Path, force: bool) -> None:
    """Write a commented kiln.yaml for the shop in this folder, and samples of hooks."""
    target = path / FILE_NAME if path.is_dir() else path
    if target.exists() and not force:
        raise ProjectFileError(
            "is there already", where=str(target), hint="`kiln init --force` replaces it"
        )
    text = render_sample(suggest_settings(target.resolve().parent))
    parse_project_file(text.encode(), target.name)
    target.write_text(text, encoding="utf-8")
    write_hook_samples(target.parent / "hooks")
    click.echo(f"{target} is written; `kiln lint` checks it and the tree")


def write_hook_samples(folder: Path) -> None:
    """Write programs that a release runs once they have lost the end of their names."""
    folder.mkdir(exist_ok=True)
    for sample in sorted((template_folder("shop") / "hooks").glob("*.sample")):
        shutil.copyfile(sample, folder / sample.name)
        # An installed package does not keep it.
        (folder / sample.name).chmod(0o755)


@click.command()
@output_option
@click.pass_obj
def lint(path: Path, output: str) -> None:
    """Check kiln.yaml and the tree; ends with 11 if a build would fail."""
    settings = read_settings()
    project = load_project(path)
    shop, report = inspect_shop(project, read_tree(project, settings))
    if output == "json":
        print_json(
            {
                "magento": shop.version,
                "edition": shop.edition,
                "php": shop.php_version,
                **report_as_json(report),
            }
        )
    else:
        print_report(report)
        click.echo(
            f"Magento {shop.version} ({shop.edition}), PHP {shop.php_version}: "
            f"{len(report.problems)} errors, {len(report.warnings)} warnings"
        )
    if report.problems:
        raise click.exceptions.Exit(TreeError.exit_code)


@click.command()
def schema() -> None:
    """Print the JSON Schema of kiln.yaml, for editors."""
    print_json(
        {
            "$schema": "https://json-schema.org/draft/2020-12/schema",
            "title": FILE_NAME,
            **ProjectFile.model_json_schema(),
        }
    )
