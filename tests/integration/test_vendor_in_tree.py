"""Trees that bring vendor/ along."""

import json
import os
import shutil
from pathlib import Path
from typing import Any

import docker
import pytest

from tests.conftest import Kiln, change_project, copy_store
from tests.containers import run_container
from tests.integration.conftest import Composer

DEV_TOOLS = "vendor/sample/dev-tools"


@pytest.fixture(scope="module")
def installed(composer: Composer, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A copy of the sample shop after `composer install`, with its development packages."""
    folder = tmp_path_factory.mktemp("installed") / "shop"
    tree = copy_store(folder, name=f"kiln-test-vendor-{os.getpid()}")
    composer(tree, "install")
    assert (tree / DEV_TOOLS / "MARKER").exists()
    return tree


def list_image(engine: docker.DockerClient, image: str) -> dict[str, str]:
    """Path and content hash of every file below /app."""
    with run_container(engine, image, "sleep", "600") as container:
        script = "find /app -type f -exec sha256sum {} +"
        code, listed = container.run("sh", "-c", script)
        assert code == 0
        lines = (line.split("  ", 1) for line in listed.splitlines())
        found = {path: digest for digest, path in lines}
        code, output = container.run(
            "php",
            "-r",
            "require '/app/vendor/autoload.php'; echo defined('SAMPLE_DEV_TOOLS') ? 'dev' : 'ok';",
        )
        assert (code, output) == (0, "ok")
        assert container.run("bin/magento", "--version")[0] == 0
    return found


def push(kiln: Kiln, tree: Path) -> dict[str, Any]:
    ended = kiln("build", "--push", "--output", "json", cwd=tree)
    assert ended.code == 0, ended.err
    record: dict[str, Any] = ended.json()
    return record


def test_the_image_is_the_same_whether_vendor_comes_along_or_not(
    kiln: Kiln, engine: docker.DockerClient, installed: Path, composer: Composer, tmp_path: Path
) -> None:
    """Development packages are left out, and Composer's lists do not name them.

    A base image of the shop's own is built on in another way than Debian's.
    """
    record = push(kiln, installed)
    with_dev = list_image(engine, record["image"])
    assert [path for path in with_dev if "dev-tools" in path] == []

    name = f"kiln-test-vendor-{os.getpid()}"
    without_dev = copy_store(tmp_path / "without-dev", name=name)
    composer(without_dev, "install", "--no-dev")
    fetched = copy_store(tmp_path / "fetched", name=name)
    own_base = tmp_path / "own-base"
    shutil.copytree(without_dev, own_base, symlinks=True)
    change_project(own_base, base={"image": record["base"]}, php={"version": "8.2"})
    changing = "/app/pub/static/deployed_version.txt"
    for tree in (without_dev, fetched, own_base):
        files = list_image(engine, push(kiln, tree)["image"])
        assert {**files, changing: ""} == {**with_dev, changing: ""}


def test_a_vendor_of_another_lock_is_refused(kiln: Kiln, installed: Path) -> None:
    listing = installed / "vendor/composer/installed.json"
    text = listing.read_text()
    packages = json.loads(text)
    for package in packages["packages"]:
        if package["name"] == "magento/framework":
            package["version"] = "103.0.6"
    listing.write_text(json.dumps(packages))
    try:
        ended = kiln("build", cwd=installed)
    finally:
        listing.write_text(text)
    assert ended.code == 11, ended.err
    assert "error: vendor/composer/installed.json" in ended.err
    assert "magento/framework" in ended.err
    assert "103.0.6" in ended.err
    assert "composer install" in ended.err


def test_a_module_that_vendor_lacks_is_named(
    kiln: Kiln, composer: Composer, tmp_path: Path
) -> None:
    tree = copy_store(tmp_path / "shop", name="kiln-test-vendor-incomplete")
    composer(tree, "install")
    (tree / "vendor/magento/module-cron/registration.php").unlink()
    ended = kiln("build", cwd=tree)
    assert ended.code == 11, ended.err
    assert "error: app/etc/config.php:" in ended.err
    assert "Magento_Cron" in ended.err
