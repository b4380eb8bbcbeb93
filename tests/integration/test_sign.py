"""Signing and checking with the real cosign and a real registry."""

import base64
import json
import os
import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from builder.build.layout import read_layout
from builder.build.sign import SigningKey, sign_image, verify_image
from builder.errors import SignatureError
from builder.process import run
from builder.registry.access import RegistryAccess
from builder.registry.client import Registry
from builder.registry.reference import ImageReference

from .registry_server import HTPASSWD, DockerRegistry, docker_registry, write_layout

PASSWORD = "correct horse"


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[DockerRegistry]:
    with docker_registry(tmp_path_factory.mktemp("registry") / "plain") as running:
        yield running


@pytest.fixture(scope="module")
def keys(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Two key pairs, `own` and `other`, generated anew for every session."""
    assert shutil.which("cosign"), "cosign is not installed: apt-get install cosign (Debian 13)"
    directory = tmp_path_factory.mktemp("keys")
    for name in ("own", "other"):
        subprocess.run(
            ["cosign", "generate-key-pair", "--output-key-prefix", name],
            cwd=directory,
            env={**os.environ, "COSIGN_PASSWORD": PASSWORD},
            check=True,
            capture_output=True,
            timeout=60,
        )
    return directory


@pytest.fixture
def env(tmp_path: Path) -> dict[str, str]:
    """An environment without the user's logins, and without a way to the internet."""
    unreachable = "http://127.0.0.1:1"
    return {
        "PATH": os.environ["PATH"],
        "HOME": str(tmp_path),
        "HTTPS_PROXY": unreachable,
        "HTTP_PROXY": unreachable,
    }


def push(server: DockerRegistry, repository: str, directory: Path) -> ImageReference:
    layout = write_layout(directory, [repository.encode()], label=repository)
    image = read_layout(layout)
    ref = ImageReference.parse(f"{server.address}/{repository}:v1")
    Registry().push_image(layout, image, ref)
    return ref.with_digest(image.digest)


def test_a_signed_image_passes_and_its_digest_stays(
    server: DockerRegistry, keys: Path, env: dict[str, str], tmp_path: Path
) -> None:
    image = push(server, "sign/ok", tmp_path / "layout")
    sign_image(run, image, SigningKey(str(keys / "own.key"), PASSWORD), env=env)
    verify_image(run, image, str(keys / "own.pub"), env=env)
    assert Registry().resolve(image.with_tag("v1")) == image.digest


def test_signing_again_leaves_one_signature(
    server: DockerRegistry, keys: Path, env: dict[str, str], tmp_path: Path
) -> None:
    image = push(server, "sign/twice", tmp_path / "layout")
    for _ in range(3):
        sign_image(run, image, SigningKey(str(keys / "own.key"), PASSWORD), env=env)
    tag = str(image.digest).replace(":", "-") + ".sig"
    signatures = json.loads(Registry().fetch_manifest(image.with_tag(tag)).body)
    assert len(signatures["layers"]) == 1


def test_an_unsigned_image_is_refused(
    server: DockerRegistry, keys: Path, env: dict[str, str], tmp_path: Path
) -> None:
    image = push(server, "sign/unsigned", tmp_path / "layout")
    with pytest.raises(SignatureError, match=r"the image is not signed$") as caught:
        verify_image(run, image, str(keys / "own.pub"), env=env)
    assert any("no signatures found" in line for line in caught.value.details)


def test_an_image_signed_by_another_key_is_refused(
    server: DockerRegistry, keys: Path, env: dict[str, str], tmp_path: Path
) -> None:
    image = push(server, "sign/other", tmp_path / "layout")
    sign_image(run, image, SigningKey(str(keys / "other.key"), PASSWORD), env=env)
    with pytest.raises(SignatureError, match="not signed by the configured key"):
        verify_image(run, image, str(keys / "own.pub"), env=env)
    sign_image(run, image, SigningKey(str(keys / "own.key"), PASSWORD), env=env)
    verify_image(run, image, str(keys / "own.pub"), env=env)
    verify_image(run, image, str(keys / "other.pub"), env=env)


def test_a_signature_moved_to_another_image_is_refused(
    server: DockerRegistry, keys: Path, env: dict[str, str], tmp_path: Path
) -> None:
    signed = push(server, "sign/moved", tmp_path / "a")
    sign_image(run, signed, SigningKey(str(keys / "own.key"), PASSWORD), env=env)
    layout = write_layout(tmp_path / "b", [b"evil"], label="evil")
    evil = read_layout(layout)
    registry = Registry()
    registry.push_image(layout, evil, signed.with_tag("v1"))
    signature = registry.fetch_manifest(
        signed.with_tag(str(signed.digest).replace(":", "-") + ".sig")
    )
    registry.tag(signed, signature.digest, evil.digest.replace(":", "-") + ".sig")
    with pytest.raises(SignatureError, match="not signed by the configured key"):
        verify_image(run, signed.with_digest(evil.digest), str(keys / "own.pub"), env=env)


def test_a_wrong_password_and_a_missing_key_are_told_apart(
    server: DockerRegistry, keys: Path, env: dict[str, str], tmp_path: Path
) -> None:
    image = push(server, "sign/password", tmp_path / "layout")
    with pytest.raises(SignatureError, match="password is wrong"):
        sign_image(run, image, SigningKey(str(keys / "own.key"), "wrong"), env=env)
    with pytest.raises(SignatureError, match="password is wrong"):
        sign_image(run, image, SigningKey(str(keys / "own.key")), env=env)
    with pytest.raises(SignatureError, match="could not be signed"):
        sign_image(run, image, SigningKey(str(keys / "none.key"), PASSWORD), env=env)
    with pytest.raises(SignatureError, match="could not be checked"):
        verify_image(run, image, str(keys / "none.pub"), env=env)


def test_an_image_that_is_not_there_cannot_be_checked(
    server: DockerRegistry, keys: Path, env: dict[str, str]
) -> None:
    image = ImageReference.parse(f"{server.address}/sign/none@sha256:" + "0" * 64)
    with pytest.raises(SignatureError):
        verify_image(run, image, str(keys / "own.pub"), env=env)


def test_the_registrys_login_is_used(keys: Path, env: dict[str, str], tmp_path: Path) -> None:
    (tmp_path / "htpasswd").write_text(HTPASSWD)
    auth = {"htpasswd": {"realm": "shop", "path": str(tmp_path / "htpasswd")}}
    with docker_registry(tmp_path / "guarded", auth=auth) as guarded:
        config = tmp_path / "docker" / "config.json"
        config.parent.mkdir()
        login = base64.b64encode(b"shop:secret").decode()
        config.write_text(json.dumps({"auths": {guarded.address: {"auth": login}}}))
        access = RegistryAccess(auth_config=config)
        layout = write_layout(tmp_path / "layout", [b"x"])
        image = read_layout(layout)
        ref = ImageReference.parse(f"{guarded.address}/sign/login")
        Registry(access).push_image(layout, image, ref)
        signed = ref.with_digest(image.digest)
        key = SigningKey(str(keys / "own.key"), PASSWORD)
        sign_image(run, signed, key, env=env, access=access)
        verify_image(run, signed, str(keys / "own.pub"), env=env, access=access)
        with pytest.raises(SignatureError, match="could not be signed"):
            sign_image(run, signed, key, env=env)
