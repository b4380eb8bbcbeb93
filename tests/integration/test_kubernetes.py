"""`kiln render kubernetes`: what it writes brings a shop up."""

import os
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import docker
import pytest
import yaml

from tests.conftest import Kiln, copy_store
from tests.integration.databases import run_database
from tests.integration.pods import Node, read_objects
from tests.integration.secret_stack import random_key

SYSTEM = "kiln-test-sample-production"


@dataclass(frozen=True)
class Shop:
    """A tree and its image."""

    tree: Path
    image: str

    def write_environment(self, host: str, **deploy: Any) -> None:
        environment = {
            "secrets": {"directory": "/does/not/matter"},
            "crypt_key": {"secret": "crypt-key"},
            "services": {
                "database": {
                    "host": host,
                    "name": "shop",
                    "user": "shop",
                    "password": {"secret": "db-password"},
                }
            },
            "deploy": deploy,
        }
        (self.tree / "environments").mkdir(exist_ok=True)
        (self.tree / "environments/production.yaml").write_text(yaml.safe_dump(environment))


@pytest.fixture(scope="module")
def shop(kiln: Kiln, tmp_path_factory: pytest.TempPathFactory) -> Shop:
    tree = copy_store(tmp_path_factory.mktemp("kubernetes") / "shop", name="kiln-test-sample")
    ended = kiln("build", "--push", "--output", "json", cwd=tree)
    assert ended.code == 0, ended.err
    return Shop(tree, str(ended.json()["image"]))


def test_the_pods_of_a_release_bring_a_shop_up(
    engine: docker.DockerClient, services: str, kiln: Kiln, shop: Shop, tmp_path: Path
) -> None:
    password, key = random_key(), random_key()
    with run_database(engine, services, f"kiln-test-kubernetes-{os.getpid()}") as database:
        database.sql(f"ALTER USER shop@'%' IDENTIFIED BY '{password}'")
        shop.write_environment(database.host, media={"claim": "shop-media"})
        written = tmp_path / "manifests"
        ended = kiln(
            *("render", "kubernetes", "production", "--image", shop.image, "--to", str(written)),
            cwd=shop.tree,
        )
        assert ended.code == 0, ended.err
        objects = read_objects(written)
        values = {f"{SYSTEM}-secrets": {"crypt-key": key, "db-password": password}}
        node = Node(engine, database.network, tmp_path, objects, values)
        jobs = {name.removeprefix(f"{SYSTEM}-").split("-")[0]: name for _, name in objects}
        for role in ("install", "migrate"):
            with node.run("Job", jobs[role]) as job:
                code, log = job.ended()
                assert code == 0, log
        with node.run("Deployment", f"{SYSTEM}-web") as web:
            web.wait_ready()
            assert web.container.get("/").status_code == 200
            assert web.container.get("/health_check.php").status_code == 200
            code, said = web.container.run("touch", "/app/pub/media/x", "/app/var/x", "/tmp/x")
            assert code == 0, said
            assert web.container.run("touch", "/app/pub/x")[0] != 0
            assert web.end() == 0
        with node.run("CronJob", f"{SYSTEM}-cron") as cron:
            code, log = cron.ended()
            assert (code, "Ran jobs by schedule." in log) == (0, True), log
        with node.run("Deployment", jobs["static"]) as static:
            static.wait_listening()
            version = jobs["static"].rpartition("-")[2]
            path = f"/static/version{version}/deployed_version.txt"
            assert static.container.get(path).text == version
            assert static.end() == 0


def test_manifests_are_printed_without_the_job_for_the_first_time(kiln: Kiln, shop: Shop) -> None:
    shop.write_environment("db", media={"claim": "shop-media"})
    ended = kiln("render", "kubernetes", "production", "--image", shop.image, cwd=shop.tree)
    assert ended.code == 0, ended.err
    kinds = [document["kind"] for document in yaml.safe_load_all(ended.out) if document]
    assert kinds.count("Job") == 1
    assert "kubectl apply -f 1-config.yaml" in ended.err


def test_what_cannot_be_rendered_is_refused_with_what_to_do(kiln: Kiln, shop: Shop) -> None:
    argv = ("render", "kubernetes", "production", "--image")
    shop.write_environment("db", web={"replicas": 2})
    without_media = kiln(*argv, shop.image, cwd=shop.tree)
    assert without_media.code == 10
    assert "deploy.media: {claim: NAME}" in without_media.err
    shop.write_environment("db", media={"claim": "shop-media"})
    tagged = kiln(*argv, shop.image.replace("@sha256", ""), cwd=shop.tree)
    assert tagged.code == 2
    assert "has no digest" in tagged.err
    missing = kiln(*argv, f"{shop.image.partition('@')[0]}@sha256:{'0' * 64}", cwd=shop.tree)
    assert missing.code == 25, missing.err
    assert "kiln build --push" in missing.err
    (shop.tree / "taken").write_text("a file")
    taken = kiln(*argv, shop.image, "--to", str(shop.tree / "taken" / "below"), cwd=shop.tree)
    assert taken.code == 12
    assert "--to a folder that may be written to" in taken.err
