"""The finished image: what is in it, and how its web role behaves."""

import json
import re
import threading
import time
from pathlib import Path
from typing import Any

import docker
import pytest
import requests

from tests.conftest import Kiln
from tests.containers import Container, run_container

ANY_CSS = re.compile(r"(frontend/\S+?/en_US/css/\S+?\.css)")


@pytest.fixture(scope="module")
def files(engine: docker.DockerClient, record: dict[str, Any]) -> frozenset[str]:
    """All paths below /app in the image."""
    with run_container(engine, record["image"], "sleep", "600") as container:
        code, listed = container.run("find", "-L", "/app", "-mindepth", "1", "-printf", "%P\\n")
        assert code == 0, listed
        return frozenset(listed.splitlines())


@pytest.fixture(scope="module")
def stylesheet(files: frozenset[str]) -> str:
    found = sorted(p for p in files if p.startswith("pub/static/frontend/") and p.endswith(".css"))
    return next(p for p in found if "/en_US/css/" in p).removeprefix("pub/static/")


def test_the_root_is_read_only_and_the_user_is_not_root(web: Container) -> None:
    assert web.run("id", "-u")[1].strip() == "33"
    code, output = web.run("sh", "-c", "touch /app/pub/x")
    assert code != 0
    assert "Read-only file system" in output


def test_a_static_file_is_served_under_the_content_version_for_a_year(
    web: Container, record: dict[str, Any], stylesheet: str
) -> None:
    version = record["content_version"]
    assert version.isdigit()
    answer = web.get(f"/static/version{version}/{stylesheet}")
    assert answer.status_code == 200
    assert answer.headers["Content-Type"].startswith("text/css")
    assert "max-age=31536000" in answer.headers["Cache-Control"]
    assert "immutable" in answer.headers["Cache-Control"]
    assert answer.content == bytes(web.run("cat", f"/app/pub/static/{stylesheet}")[1], "utf-8")


def test_what_themes_and_locales_have_alike_is_there_once(
    engine: docker.DockerClient, record: dict[str, Any]
) -> None:
    with run_container(engine, record["image"], "sleep", "600") as container:
        code, sums = container.run(
            "find", "/app/pub/static", "-type", "f", "-size", "+0", "-exec", "md5sum", "{}", "+"
        )
        assert code == 0
        code, broken = container.run("find", "/app/pub/static", "-xtype", "l")
    by_sum: dict[str, list[str]] = {}
    for line in sums.splitlines():
        by_sum.setdefault(line.split()[0], []).append(line.split(maxsplit=1)[1])
    twice = [paths for paths in by_sum.values() if len(paths) > 1]
    assert twice == []
    assert (code, broken) == (0, "")


def test_another_releases_version_is_never_answered_with_this_ones_bytes(
    web: Container, stylesheet: str
) -> None:
    answer = web.get(f"/static/version1/{stylesheet}")
    assert answer.status_code == 404
    assert "max-age" not in answer.headers.get("Cache-Control", "")


@pytest.mark.parametrize(
    "path",
    [
        "/static/version{version}/frontend/nothing.css",
        "/static/frontend/nothing.css",
        "/errors/local.xml",
        "/.htaccess",
        "/static/.htaccess",
        "/app/etc/config.php",
        "/../app/etc/config.php",
        "/cron.php",
        "/static/version{version}/../../../app/etc/config.php",
    ],
)
def test_what_is_not_there_or_not_for_the_web_is_404(
    web: Container, record: dict[str, Any], path: str
) -> None:
    answer = web.get(path.format(version=record["content_version"]))
    assert answer.status_code in (403, 404)
    assert "return [" not in answer.text


def test_liveness_asks_neither_database_nor_cache(web: Container) -> None:
    answer = web.get("/-/live")
    assert (answer.status_code, answer.text) == (200, "live")


def test_opcache_does_not_look_for_changes(web: Container) -> None:
    code, output = web.run("php-fpm8.2", "-i")
    assert code == 0
    assert re.search(r"opcache.validate_timestamps => (Off|0)", output)


def test_the_command_line_answers(engine: docker.DockerClient, record: dict[str, Any]) -> None:
    output = engine.containers.run(record["image"], ["bin/magento", "--version"], remove=True)
    assert record["magento_version"].encode() in output


@pytest.mark.parametrize(
    "unwanted",
    [
        r"(^|/)\.git($|/)",
        r"^auth\.json$",
        r"^app/etc/env\.php$",
        r"^vendor/phpunit(/|$)",
        r"^vendor/sample/dev-tools(/|$)",
        r"^dev(/|$)",
        r"^vendor/[^/]+/[^/]+/Test/Unit/",
        r"^app/code/[^/]+/[^/]+/Test(/|$)",
        r"^kiln\.yaml$",
        r"(^|/)node_modules(/|$)",
        r"^var/(cache|log|tmp)/.",
    ],
)
def test_what_does_not_belong_in_an_image_is_not_there(
    files: frozenset[str], unwanted: str
) -> None:
    assert [path for path in files if re.search(unwanted, path)] == []


def test_generated_code_and_static_content_are_there(files: frozenset[str]) -> None:
    assert any(path.startswith("generated/code/") and path.endswith(".php") for path in files)
    assert "generated/metadata/global.php" in files
    assert "pub/static/deployed_version.txt" in files
    assert any(path.startswith("pub/static/adminhtml/") for path in files)


def test_package_caches_are_not_in_the_image(web: Container) -> None:
    for folder in ("/var/lib/apt/lists", "/var/cache/apt", "/var/cache/composer", "/root/.npm"):
        code, listed = web.run("sh", "-c", f"find {folder} -type f 2>/dev/null | wc -l")
        assert (code, listed.strip()) == (0, "0"), folder
    assert web.run("sh", "-c", "command -v composer || command -v git")[0] != 0


def test_the_labels_say_what_the_image_is(
    engine: docker.DockerClient, record: dict[str, Any]
) -> None:
    labels = engine.images.pull(record["image"]).labels
    assert labels["org.opencontainers.image.version"] == record["content_version"]
    assert labels["io.kiln.magento.version"] == record["magento_version"]
    assert labels["org.opencontainers.image.base.digest"] in record["base"]


def test_a_stop_is_graceful(
    engine: docker.DockerClient, record: dict[str, Any], files: frozenset[str]
) -> None:
    """Requests that have begun are answered, and the container ends by itself with 0."""
    is_sample = any(path.startswith("app/code/Kiln/Sample/") for path in files)
    path = "/kiln/sample/slow?ms=3000" if is_sample else "/-/live"
    with run_container(engine, record["image"], "web", port=8080) as container:
        container.wait_healthy()
        answers: list[int | Exception] = []

        def ask() -> None:
            try:
                answers.append(container.get(path).status_code)
            except requests.RequestException as error:
                answers.append(error)

        askers = [threading.Thread(target=ask) for _ in range(8)]
        for asker in askers:
            asker.start()
        time.sleep(1)
        container.engine.stop(timeout=60)
        for asker in askers:
            asker.join()
        assert answers == [200] * 8
        container.engine.reload()
        # 137 would be the engine's SIGKILL after its patience.
        assert container.engine.attrs["State"]["ExitCode"] == 0


def test_a_container_ends_when_one_of_its_servers_dies(
    engine: docker.DockerClient, record: dict[str, Any]
) -> None:
    with run_container(engine, record["image"], "web", port=8080) as container:
        container.wait_healthy()
        code, _ = container.run("sh", "-c", "kill -9 $(cat /tmp/nginx.pid)")
        assert code == 0
        assert container.engine.wait(timeout=60)["StatusCode"] != 0


def test_inspect_prints_the_record(kiln: Kiln, record: dict[str, Any], tmp_path: Path) -> None:
    ended = kiln("inspect", record["image"], "--output", "json", cwd=tmp_path)
    assert ended.code == 0, ended.err
    # Whoever has built the same image since has left a record of a build that took other times.
    own = {"pushed", "created", "seconds", "stages"}
    told = ended.json()
    assert own - told.keys() == {"pushed"}
    assert {**told, **{key: record[key] for key in own}} == record
    by_tag = f"{record['image'].split('@')[0]}:{record['content_version']}"
    shown = kiln("inspect", by_tag, cwd=tmp_path)
    assert record["digest"] in shown.out
    assert "static-" in shown.out


def test_the_sbom_lists_composer_and_debian_packages(
    kiln: Kiln, record: dict[str, Any], tmp_path: Path
) -> None:
    ended = kiln("sbom", record["image"], cwd=tmp_path)
    assert ended.code == 0, ended.err
    purls = [component["purl"] for component in json.loads(ended.out)["components"]]
    assert any(purl.startswith("pkg:composer/magento/") for purl in purls)
    assert any(purl.startswith("pkg:deb/debian/php8.2-fpm@") for purl in purls)
    assert not any("dev-tools" in purl or "phpunit" in purl for purl in purls)


def test_the_provenance_names_the_image(kiln: Kiln, record: dict[str, Any], tmp_path: Path) -> None:
    ended = kiln("sbom", "--provenance", record["image"], cwd=tmp_path)
    assert ended.code == 0, ended.err
    statement = json.loads(ended.out)
    assert statement["subject"][0]["digest"]["sha256"] in record["digest"]
    assert "slsa.dev/provenance" in statement["predicateType"]
