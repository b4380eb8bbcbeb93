"""References, logins and proxies: what the registry client decides without a network."""

import base64
import json
import subprocess
from collections.abc import Mapping, Sequence
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from builder.build.registry import (
    ImageReference,
    Registry,
    RegistryAccess,
    _bypasses_proxy,
    _find_credentials,
    _read_errors,
    speaks_plain_http,
)
from builder.errors import RegistryError
from builder.process import Completed

DIGEST = "sha256:" + "0123456789abcdef" * 4


@pytest.mark.parametrize(
    ("text", "registry", "repository", "tag", "digest"),
    [
        ("localhost:5000/shop/name:tag@" + DIGEST, "localhost:5000", "shop/name", "tag", DIGEST),
        ("localhost/name", "localhost", "name", None, None),
        ("shop.example/a/b/c:1.0", "shop.example", "a/b/c", "1.0", None),
        ("shop.example:443/a", "shop.example:443", "a", None, None),
        ("[::1]:5000/a/b", "[::1]:5000", "a/b", None, None),
        ("127.0.0.1:5000/a@" + DIGEST, "127.0.0.1:5000", "a", None, DIGEST),
        ("nginx", "docker.io", "library/nginx", None, None),
        ("nginx:1.27", "docker.io", "library/nginx", "1.27", None),
        ("shop/web:v1", "docker.io", "shop/web", "v1", None),
        ("123/web", "docker.io", "123/web", None, None),
        ("docker.io/nginx", "docker.io", "library/nginx", None, None),
        ("index.docker.io/shop/web", "docker.io", "shop/web", None, None),
        ("SHOP/web", "SHOP", "web", None, None),
    ],
)
def test_references_are_read_as_docker_reads_them(
    text: str, registry: str, repository: str, tag: str | None, digest: str | None
) -> None:
    ref = ImageReference.parse(text)
    assert (ref.registry, ref.repository, ref.tag, ref.digest) == (
        registry,
        repository,
        tag,
        digest,
    )
    assert ImageReference.parse(str(ref)) == ref


@pytest.mark.parametrize(
    ("text", "message", "hint"),
    [
        ("", "empty", ""),
        ("a b", "white space", ""),
        (" shop.example/a", "white space", ""),
        ("https://shop.example/a", "scheme", "Leave out"),
        ("shop.example/Web", "'Web' is not a repository", "lower case"),
        ("shop.example/", "'' is not a repository", ""),
        ("shop.example//a", "not a repository", ""),
        ("shop.example/a:", "'' is not a tag", ""),
        ("shop.example/a:-x", "'-x' is not a tag", "128"),
        ("shop.example/a:" + "x" * 129, "is not a tag", "128"),
        ("shop.example/a@sha256:12", "'sha256:12' is not a digest", "64 hex"),
        ("shop.example/a@", "'' is not a digest", "64 hex"),
        ("shop.example:port/a", "not a host and port", ""),
        ("-shop.example/a", "not a host and port", ""),
        ("shop.example/" + "a" * 250, "255", ""),
    ],
)
def test_what_is_no_reference_is_refused_with_the_reason(
    text: str, message: str, hint: str
) -> None:
    with pytest.raises(RegistryError) as caught:
        ImageReference.parse(text)
    assert message in caught.value.message
    assert hint in caught.value.hint
    assert caught.value.where == repr(text)


@given(st.text(max_size=60))
def test_any_text_is_a_reference_or_a_registry_error(text: str) -> None:
    try:
        ref = ImageReference.parse(text)
    except RegistryError:
        return
    assert ImageReference.parse(str(ref)) == ref


def test_a_reference_is_moved_to_a_tag_or_digest() -> None:
    ref = ImageReference.parse("shop.example/web:v1@" + DIGEST)
    assert str(ref.with_tag("v2")) == "shop.example/web:v2"
    assert str(ref.with_digest(DIGEST)) == "shop.example/web@" + DIGEST
    for wrong in ("", "a b", "../x"):
        with pytest.raises(RegistryError):
            ref.with_tag(wrong)


@pytest.mark.parametrize(
    ("registry", "plain"),
    [
        ("localhost", True),
        ("localhost:5000", True),
        ("127.0.0.1:5000", True),
        ("127.8.9.1", True),
        ("[::1]:5000", True),
        ("[::1]", True),
        ("10.0.0.1:5000", False),
        ("[2001:db8::1]:5000", False),
        ("localhost.example", False),
        ("shop.example:5000", False),
    ],
)
def test_only_registries_on_this_machine_are_spoken_plain_http_to(
    registry: str, plain: bool
) -> None:
    assert speaks_plain_http(registry) is plain


@pytest.mark.parametrize(
    ("host", "no_proxy", "bypassed"),
    [
        ("shop.example:5000", "", False),
        ("shop.example:5000", "shop.example", True),
        ("shop.example", "other,.example", True),
        ("shop.example", "example", True),
        ("shop.example", "ample", False),
        ("shop.example", "*", True),
        ("shop.example", "*.example", True),
        ("localhost:5000", "", True),
    ],
)
def test_no_proxy_lists_names_and_domains(host: str, no_proxy: str, bypassed: bool) -> None:
    assert _bypasses_proxy(host, no_proxy) is bypassed


# -- logins ---------------------------------------------------------------------------------


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
    assert _find_credentials(config, "shop.example:5000", NO_HELPER).basic == encode("u:p")
    assert _find_credentials(config, "shop.example", NO_HELPER).basic is None


def test_docker_hubs_login_is_found_under_its_old_name(tmp_path: Path) -> None:
    config = write_config(tmp_path, auths={"https://index.docker.io/v1/": {"auth": encode("u:p")}})
    assert _find_credentials(config, "docker.io", NO_HELPER).basic == encode("u:p")


def test_a_login_may_be_given_as_name_and_password(tmp_path: Path) -> None:
    config = write_config(tmp_path, auths={"a.example": {"username": "u", "password": "p:q"}})
    assert _find_credentials(config, "a.example", NO_HELPER).basic == encode("u:p:q")


def test_the_registrys_helper_goes_before_the_store(tmp_path: Path) -> None:
    config = write_config(
        tmp_path, auths={"a.example": {}}, credsStore="store", credHelpers={"a.example": "own"}
    )
    helper = Helper(Completed(0, '{"Username": "u", "Secret": "s"}', ""))
    assert _find_credentials(config, "a.example", helper).basic == encode("u:s")
    _find_credentials(config, "b.example", helper)
    assert helper.calls == [
        (("docker-credential-own", "get"), b"a.example"),
        (("docker-credential-store", "get"), b"b.example"),
    ]


def test_a_helper_may_answer_with_an_identity_token(tmp_path: Path) -> None:
    config = write_config(tmp_path, credsStore="x")
    helper = Helper(Completed(0, '{"Username": "<token>", "Secret": "s"}', ""))
    assert _find_credentials(config, "a.example", helper).identity_token == "s"


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
    found = _find_credentials(config, "a.example", Helper(outcome))
    assert not found.known
    assert note in found.notes[0]


def test_a_login_that_is_not_base64_leaves_a_note(tmp_path: Path) -> None:
    config = write_config(tmp_path, auths={"a.example": {"auth": "%%%"}})
    assert "base64" in _find_credentials(config, "a.example", NO_HELPER).notes[0]


def test_secrets_are_not_in_the_representation(tmp_path: Path) -> None:
    config = write_config(tmp_path, auths={"a.example": {"auth": encode("u:topsecret")}})
    found = _find_credentials(config, "a.example", NO_HELPER)
    assert encode("u:topsecret") not in repr(found)


@pytest.mark.parametrize("content", ["", "[]", '{"auths": []}', "{"])
def test_a_broken_docker_configuration_is_named(tmp_path: Path, content: str) -> None:
    config = tmp_path / "config.json"
    config.write_text(content)
    client = Registry(RegistryAccess(auth_config=config))
    if content == '{"auths": []}':
        assert not _find_credentials(config, "a.example", NO_HELPER).known
        return
    with pytest.raises(RegistryError, match="cannot be read") as caught:
        client.check_push(ImageReference.parse("a.example/b"))
    assert caught.value.where == str(config)


def test_a_missing_docker_configuration_means_no_login(tmp_path: Path) -> None:
    assert not _find_credentials(tmp_path / "none", "a.example", NO_HELPER).known
    assert not _find_credentials(None, "a.example", NO_HELPER).known


def test_a_missing_ca_bundle_is_named(tmp_path: Path) -> None:
    client = Registry(RegistryAccess(ca_bundle=tmp_path / "none.pem"))
    with pytest.raises(RegistryError, match="CA bundle does not exist"):
        client.check_push(ImageReference.parse("a.example/b"))


@pytest.mark.parametrize(
    ("text", "codes", "lines"),
    [
        ('{"errors":[{"code":"X","message":"m"}]}', {"X"}, ("X: m",)),
        ('{"errors":null}', set(), ()),
        ('{"errors":[1]}', set(), ('{"errors":[1]}',)),
        ("plain words\nmore", set(), ("plain words",)),
        ("<html>", set(), ()),
        ("", set(), ()),
    ],
)
def test_errors_of_registries_and_proxies_are_read(
    text: str, codes: set[str], lines: tuple[str, ...]
) -> None:
    assert _read_errors(text) == (frozenset(codes), lines)
