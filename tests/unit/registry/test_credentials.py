"""Logins in docker's config.json and its credential helpers."""

import base64
import json
import subprocess
from collections.abc import Mapping, Sequence
from pathlib import Path

import pytest

from builder.errors import RegistryError
from builder.process import Completed
from builder.registry.access import RegistryAccess
from builder.registry.client import Registry
from builder.registry.credentials import find_credentials
from builder.registry.reference import ImageReference


class Helper:
    """Stands in for docker-credential-… programs."""

    def __init__(self, outcome: Completed | Exception) -> None:
        self.outcome = outcome
        self.calls: list[tuple[tuple[str, ...], bytes | None]] = []

    def __call__(
        self,
        argv: Sequence[str],
        *,
        env: Mapping[str, str] | None = None,
        stdin: bytes | None = None,
        timeout: float | None = None,
    ) -> Completed:
        self.calls.append((tuple(argv), stdin))
        if isinstance(self.outcome, Exception):
            raise self.outcome
        return self.outcome


NO_HELPER = Helper(FileNotFoundError())


def encode(text: str) -> str:
    return base64.b64encode(text.encode()).decode()


def write_config(directory: Path, **content: object) -> Path:
    path = directory / "config.json"
    path.write_text(json.dumps(content))
    return path


@pytest.mark.parametrize(
    "key", ["shop.example:5000", "https://shop.example:5000", "http://shop.example:5000/v2/"]
)
def test_a_login_is_found_under_every_form_of_the_host(tmp_path: Path, key: str) -> None:
    config = write_config(tmp_path, auths={key: {"auth": encode("u:p")}})
    assert find_credentials(config, "shop.example:5000", NO_HELPER).basic == encode("u:p")
    assert find_credentials(config, "shop.example", NO_HELPER).basic is None


def test_docker_hubs_login_is_found_under_its_old_name(tmp_path: Path) -> None:
    config = write_config(tmp_path, auths={"https://index.docker.io/v1/": {"auth": encode("u:p")}})
    assert find_credentials(config, "docker.io", NO_HELPER).basic == encode("u:p")


def test_a_login_may_be_given_as_name_and_password(tmp_path: Path) -> None:
    config = write_config(tmp_path, auths={"a.example": {"username": "u", "password": "p:q"}})
    assert find_credentials(config, "a.example", NO_HELPER).basic == encode("u:p:q")


def test_the_registrys_helper_goes_before_the_store(tmp_path: Path) -> None:
    config = write_config(
        tmp_path, auths={"a.example": {}}, credsStore="store", credHelpers={"a.example": "own"}
    )
    helper = Helper(Completed(0, '{"Username": "u", "Secret": "s"}', ""))
    assert find_credentials(config, "a.example", helper).basic == encode("u:s")
    find_credentials(config, "b.example", helper)
    assert helper.calls == [
        (("docker-credential-own", "get"), b"a.example"),
        (("docker-credential-store", "get"), b"b.example"),
    ]


def test_a_helper_may_answer_with_an_identity_token(tmp_path: Path) -> None:
    config = write_config(tmp_path, credsStore="x")
    helper = Helper(Completed(0, '{"Username": "<token>", "Secret": "s"}', ""))
    assert find_credentials(config, "a.example", helper).identity_token == "s"


@pytest.mark.parametrize(
    ("outcome", "note"),
    [
        (FileNotFoundError(), "not installed"),
        (Completed(1, "credentials not found in native keychain", ""), "not found"),
        (Completed(0, "no json", ""), "docker-credential-x"),
        (Completed(0, "[]", ""), "docker-credential-x"),
        (subprocess.TimeoutExpired("x", 1), "TimeoutExpired"),
    ],
)
def test_a_failing_helper_leaves_a_note(
    tmp_path: Path, outcome: Completed | Exception, note: str
) -> None:
    config = write_config(tmp_path, credsStore="x")
    found = find_credentials(config, "a.example", Helper(outcome))
    assert not found.known
    assert note in found.notes[0]


def test_a_login_that_is_not_base64_leaves_a_note(tmp_path: Path) -> None:
    config = write_config(tmp_path, auths={"a.example": {"auth": "%%%"}})
    assert "base64" in find_credentials(config, "a.example", NO_HELPER).notes[0]


def test_secrets_are_not_in_the_representation(tmp_path: Path) -> None:
    config = write_config(tmp_path, auths={"a.example": {"auth": encode("u:topsecret")}})
    found = find_credentials(config, "a.example", NO_HELPER)
    assert encode("u:topsecret") not in repr(found)


@pytest.mark.parametrize("content", ["", "[]", '{"auths": []}', "{"])
def test_a_broken_docker_configuration_is_named(tmp_path: Path, content: str) -> None:
    config = tmp_path / "config.json"
    config.write_text(content)
    client = Registry(RegistryAccess(auth_config=config))
    if content == '{"auths": []}':
        assert not find_credentials(config, "a.example", NO_HELPER).known
        return
    with pytest.raises(RegistryError, match="cannot be read") as caught:
        client.check_push(ImageReference.parse("a.example/b"))
    assert caught.value.where == str(config)


def test_a_missing_docker_configuration_means_no_login(tmp_path: Path) -> None:
    assert not find_credentials(tmp_path / "none", "a.example", NO_HELPER).known
    assert not find_credentials(None, "a.example", NO_HELPER).known
