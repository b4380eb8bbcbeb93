"""The whole way once: from a change in development to production, back, and forward again."""

import subprocess
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import docker
import pytest
import yaml

from tests.conftest import Ended, Kiln
from tests.containers import Container
from tests.e2e.systems import Images, System, image_of, run_system

NAME = "Laden von Mia & Söhnen"
NAME_PATH = "general/store_information/name"
GREETING_PATH = "kiln/sample/greeting"
TEMPLATE = "app/code/Kiln/Sample/view/frontend/templates/home.phtml"


@dataclass(frozen=True)
class Pipeline:
    """A shop's tree with a staging and a production that serve its first release."""

    kiln: Kiln
    tree: Path
    staging: System
    production: System

    def __call__(self, *arguments: str) -> Ended:
        return self.staging(*arguments)

    def done(self, *arguments: str) -> Ended:
        ended = self(*arguments)
        assert ended.code == 0, ended.err + ended.out
        return ended

    def git(self, *arguments: str) -> None:
        who = ("-c", "user.name=Mia", "-c", "user.email=mia@example.com")
        subprocess.run(["git", "-C", str(self.tree), *who, *arguments], check=True)


@pytest.fixture
def pipeline(
    kiln: Kiln, engine: docker.DockerClient, images: Images, tmp_path: Path
) -> Iterator[Pipeline]:
    with (
        run_system(kiln, engine, images, tmp_path / "staging", name="staging") as staging,
        run_system(kiln, engine, images, tmp_path / "production", name="production") as production,
    ):
        # One shop, two environments: production's file moves beside staging's.
        tree, shop = staging.tree, staging.stack.removesuffix("-staging")
        moved = yaml.safe_load((production.tree / "environments/production.yaml").read_text())
        (tree / "environments/production.yaml").write_text(yaml.safe_dump(moved))
        live = System(
            kiln,
            engine,
            tree,
            "production",
            f"{shop}-production",
            production.port,
            production.folder,
            production.source,
        )
        made = Pipeline(kiln, tree, staging, live)
        try:
            yield made
        finally:
            kiln("dev", "down", "--volumes", cwd=tree)
            live.remove()


def test_a_change_goes_from_development_to_production_back_and_forward(
    pipeline: Pipeline, images: Images
) -> None:
    staging, production = pipeline.staging, pipeline.production
    pipeline.git("init", "--quiet")
    pipeline.git("add", "--all")
    pipeline.git("commit", "--quiet", "--message", "The shop")
    for system in (staging, production):
        assert pipeline("deploy", system.name, images.first).code == 0

    # Development: a locked setting, a data patch and a template.
    pipeline.done("dev", "up")
    pipeline.done("dev", "magento", "config:set", "--lock-config", NAME_PATH, NAME)
    pipeline.done("config", "dump")
    pipeline.done("config", "patch", f"{GREETING_PATH}=Moin", "--module", "Kiln_Sample")
    template = pipeline.tree / TEMPLATE
    template.write_text(template.read_text() + "<p>made in development</p>\n")
    pipeline.git("add", "--all")
    pipeline.git("commit", "--quiet", "--message", "Name the shop, greet, say where from")
    pipeline.done("dev", "down", "--volumes")

    # Build: no database.
    built = pipeline.done("build", "--push", "--output", "json").json()
    assert built["git"]["dirty"] is False

    # Staging.
    pipeline.done("deploy", "staging", built["digest"])
    assert "made in development" in staging.get().text
    assert setting(staging, NAME_PATH) == NAME
    assert setting(staging, GREETING_PATH) == "Moin"
    assert "made in development" not in production.get().text

    # Not before it is accepted.
    refused = pipeline("promote", "staging", "production")
    assert refused.code == 23, refused.err
    assert "kiln accept staging" in refused.err
    pipeline.done("accept", "staging", "--note", "looks right")
    pipeline.done("promote", "staging", "production")
    assert "made in development" in production.get().text
    assert setting(production, NAME_PATH) == NAME
    assert image_of(production) == image_of(staging) == built["image"]

    # Back, and forward again.
    pipeline.done("rollback", "production")
    assert "made in development" not in production.get().text
    assert image_of(production) == images.first
    pipeline.done("promote", "staging", "production")
    assert "made in development" in production.get().text
    assert image_of(production) == built["image"]


def setting(system: System, path: str) -> str:
    """What the live release has for a setting."""
    web = Container(system.containers(role="web")[0], "")
    code, output = web.run("php", "bin/magento", "config:show", path)
    assert code == 0, output
    return output.strip()
