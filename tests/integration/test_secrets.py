"""Composer credentials: a build uses them, and nothing that it leaves or shows holds them."""

import base64
import contextlib
import gzip
import io
import os
import secrets
import subprocess
import threading
import time
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any, cast

import docker
import pytest
import zstandard

from tests.conftest import Kiln, change_project
from tests.containers import run_container
from tests.integration.composer_repository import ComposerRepository, composer_repository

USER = "shop"
BASE = "localhost:5000/kiln/base:bookworm"
BLOCK = 1 << 20


SOURCES = {
    "environment": "1.0.1",
    "a file in the tree": "1.0.2",
    "auth.json": "1.0.3",
}
"""Where the credentials come from, each with a version of the package that no other build has."""


@pytest.fixture(scope="module")
def canary() -> str:
    return f"canary{secrets.token_hex(16)}"


@pytest.fixture(scope="module")
def searched() -> set[str]:
    """Digests of blobs that have been looked through, which other builds share."""
    return set()


@pytest.fixture(scope="module")
def repository(engine: docker.DockerClient, canary: str) -> Iterator[ComposerRepository]:
    """On the bridge's gateway, where builds find this host."""
    config = engine.networks.get("bridge").attrs["IPAM"]["Config"]
    with composer_repository(config[0]["Gateway"], USER, canary) as running:
        yield running


def forms_of(canary: str) -> list[bytes]:
    """How the value would look, as it is and in a header."""
    login = base64.b64encode(f"{USER}:{canary}".encode())
    return [canary.encode(), login, base64.b64encode(canary.encode()).rstrip(b"=")[:-1]]


def holds(blocks: Iterable[bytes], needles: list[bytes]) -> bool:
    """Whether a stream of blocks holds one of the needles, also across two of them."""
    before = b""
    for block in blocks:
        joined = before + block
        if any(needle in joined for needle in needles):
            return True
        before = joined[-max(map(len, needles)) :]
    return False


def read_blocks(path: Path) -> Iterator[bytes]:
    """A file's content, a layer's without its compression."""
    with path.open("rb") as raw:
        stream: Any = raw
        start = raw.read(4)
        raw.seek(0)
        if start == b"\x28\xb5\x2f\xfd":
            reader = zstandard.ZstdDecompressor().stream_reader(raw)
            stream = io.BufferedReader(cast("io.RawIOBase", reader))
        elif start.startswith(b"\x1f\x8b"):
            stream = gzip.GzipFile(fileobj=raw)
        while block := stream.read(BLOCK):
            yield block


@contextlib.contextmanager
def watch_command_lines(needles: list[bytes]) -> Iterator[list[bytes]]:
    """Look at the command lines of all programs again and again; collects those with a needle."""
    found: list[bytes] = []
    stop = threading.Event()

    def look() -> None:
        while not stop.is_set():
            for process in Path("/proc").glob("[0-9]*/cmdline"):
                with contextlib.suppress(OSError):
                    line = process.read_bytes()
                    if any(needle in line for needle in needles):
                        found.append(line)
            time.sleep(0.05)

    thread = threading.Thread(target=look)
    thread.start()
    try:
        yield found
    finally:
        stop.set()
        thread.join()


def composer_cache_holds(canary: str) -> bool:
    """Whether the cache that `composer install` has in BuildKit holds the value."""
    script = 'test -n "$(cat /run/secrets/needle)" && ! grep -rqF "$(cat /run/secrets/needle)" /c'
    # A comment that no other build has: with --no-cache the cache would be an empty one.
    dockerfile = (
        f"FROM {BASE}\nRUN --network=none --mount=type=secret,id=needle,required=true "
        f"--mount=type=cache,id=kiln-composer,target=/c {script} # {secrets.token_hex(8)}\n"
    )
    argv = ["docker", "buildx", "build", "--secret", "id=needle,env=NEEDLE", "-"]
    done = subprocess.run(
        argv,
        input=dockerfile,
        env={**os.environ, "NEEDLE": canary},
        capture_output=True,
        text=True,
        timeout=300,
        check=False,
    )
    return done.returncode != 0


def give_credentials(tree: Path, source: str, auth: str) -> dict[str, str]:
    """Put the text of auth.json where a source says; returns the environment of `kiln build`."""
    if source == "auth.json":
        (tree / "auth.json").write_text(auth)
    elif source == "environment":
        change_project(tree, build={"secrets": {"composer_auth": {"env": "SHOP_AUTH"}}})
        return {"SHOP_AUTH": auth}
    else:
        (tree / "app/etc/my login.json").write_text(auth)
        change_project(
            tree, build={"secrets": {"composer_auth": {"file": "app/etc/my login.json"}}}
        )
    return {}


@pytest.mark.parametrize("source", SOURCES)
def test_a_build_uses_credentials_and_keeps_and_shows_none(
    source: str,
    own: Kiln,
    tree: Path,
    canary: str,
    repository: ComposerRepository,
    searched: set[str],
) -> None:
    repository.require_in(tree, SOURCES[source])
    env = give_credentials(tree, source, repository.auth_json(USER, canary))
    needles = forms_of(canary)
    fetched = repository.answers.count(200)
    with watch_command_lines(needles) as seen:
        ended = own("build", cwd=tree, **env)
    assert ended.code == 0, ended.err
    assert repository.answers.count(200) > fetched
    assert seen == []
    assert not holds([ended.out.encode(), ended.err.encode()], needles)
    files = [path for path in own.cache.rglob("*") if path.is_file()]
    assert sum(path.parent.name == "sha256" for path in files) > 10
    files = [path for path in files if path.name not in searched]
    assert [path for path in files if holds(read_blocks(path), needles)] == []
    searched |= {path.name for path in files if path.parent.name == "sha256"}


def test_what_is_pushed_holds_none_of_them(
    engine: docker.DockerClient,
    own: Kiln,
    tree: Path,
    tmp_path: Path,
    canary: str,
    repository: ComposerRepository,
) -> None:
    repository.require_in(tree, SOURCES["environment"])
    env = give_credentials(tree, "environment", repository.auth_json(USER, canary))
    ended = own("build", "--push", "--output", "json", cwd=tree, **env)
    assert ended.code == 0, ended.err
    image = ended.json()["image"]
    told = [ended.out, ended.err, own("render", cwd=tree, **env).out]
    for command in (
        ["inspect"],
        ["inspect", "--output", "json"],
        ["sbom"],
        ["sbom", "--provenance"],
    ):
        told.append(own(*command, image, cwd=tmp_path).out)
    pulled = engine.images.pull(image)
    told += [str(pulled.attrs), str(pulled.history())]
    assert all(told)
    assert not any(holds([text.encode()], forms_of(canary)) for text in told)
    with run_container(engine, image, "sleep", "600") as container:
        listed = container.run("find", "/app", "/root", "/run", "/tmp", "/usr/local")[1]
        assert "/app/vendor/acme/secret-sauce/src/Sauce.php" in listed
        assert "auth.json" not in listed


def test_composers_cache_does_not_hold_them(canary: str) -> None:
    assert not composer_cache_holds(canary)
    assert composer_cache_holds("secret-sauce")  # what is looked for can be found


def test_a_value_in_a_layer_would_be_found(
    own: Kiln, tree: Path, canary: str, searched: set[str]
) -> None:
    (tree / "app/code/leak.txt").write_text(canary)
    assert own("build", cwd=tree).code == 0
    files = [path for path in own.cache.rglob("*") if path.is_file() and path.name not in searched]
    leaking = {path.parent.name for path in files if holds(read_blocks(path), forms_of(canary))}
    assert leaking == {"sha256"}


@pytest.mark.parametrize("given", [True, False])
def test_wrong_and_missing_credentials_are_told(
    own: Kiln, tree: Path, repository: ComposerRepository, given: bool
) -> None:
    repository.require_in(tree)
    wrong = f"wrong{secrets.token_hex(8)}"
    env = {}
    if given:
        change_project(tree, build={"secrets": {"composer_auth": {"env": "SHOP_AUTH"}}})
        env["SHOP_AUTH"] = repository.auth_json(USER, wrong)
    ended = own("build", cwd=tree, **env)
    assert ended.code == 14, ended.err
    assert "error: stage vendor: the step failed: " in ended.err
    assert "likely cause: a package repository does not accept the credentials" in ended.err
    assert f"http://{repository.address}" in ended.err
    assert "\n  do: check the secret composer_auth" in ended.err
    assert "Traceback" not in ended.err
    assert not holds([ended.err.encode(), ended.out.encode()], forms_of(wrong))
