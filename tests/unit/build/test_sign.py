"""The command lines given to cosign, and what is made of its answers."""

import subprocess
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import pytest

from builder.build.sign import SigningKey, sign_image, verify_image
from builder.errors import HostError, SignatureError
from builder.process import Completed
from builder.registry.access import RegistryAccess
from builder.registry.reference import ImageReference

IMAGE = ImageReference.parse("shop.example/web:v1@sha256:" + "a" * 64)
TARGET = "shop.example/web@sha256:" + "a" * 64
LOCAL = ImageReference.parse("localhost:5000/web@sha256:" + "a" * 64)
ENV = {"PATH": "/bin"}
USAGE = Completed(0, "--tlog-upload=true:\n", "")


@dataclass
class Cosign:
    """Stands in for cosign; answers `--help` with `usage` and all else with `outcome`."""

    outcome: Completed | Exception = field(default_factory=lambda: Completed(0, "", ""))
    usage: Completed = USAGE
    calls: list[tuple[list[str], Mapping[str, str]]] = field(default_factory=list)

    def __call__(
        self,
        argv: Sequence[str],
        *,
        env: Mapping[str, str] | None = None,
        stdin: bytes | None = None,
        timeout: float | None = None,
    ) -> Completed:
        assert env is not None
        assert timeout is not None
        if argv[-1] == "--help" and not isinstance(self.outcome, FileNotFoundError):
            return self.usage
        self.calls.append((list(argv), env))
        if isinstance(self.outcome, Exception):
            raise self.outcome
        return self.outcome


def test_signing_stays_offline_and_keeps_the_password_off_the_command_line() -> None:
    cosign = Cosign()
    sign_image(cosign, IMAGE, SigningKey("cosign.key", "hunter2"), env=ENV)
    ((argv, env),) = cosign.calls
    assert argv == [
        *("cosign", "sign", "--key", "cosign.key"),
        *("--tlog-upload=false", "--yes", TARGET),
    ]
    assert env == {"PATH": "/bin", "COSIGN_PASSWORD": "hunter2"}


def test_checking_needs_no_password() -> None:
    cosign = Cosign()
    verify_image(cosign, IMAGE, "cosign.pub", env=ENV)
    ((argv, env),) = cosign.calls
    assert argv == [
        *("cosign", "verify", "--key", "cosign.pub"),
        *("--insecure-ignore-tlog=true", "--offline=true", TARGET),
    ]
    assert env == ENV


@pytest.mark.parametrize(
    ("image", "access", "option"),
    [
        (LOCAL, None, "--allow-http-registry=true"),
        (IMAGE, RegistryAccess(plain_http=True), "--allow-http-registry=true"),
        (IMAGE, RegistryAccess(ca_bundle=Path("/ca.pem")), "--registry-cacert /ca.pem"),
    ],
)
def test_the_registry_is_reached_as_for_a_push(
    image: ImageReference, access: RegistryAccess | None, option: str
) -> None:
    cosign = Cosign()
    sign_image(cosign, image, SigningKey("k"), env=ENV, access=access)
    verify_image(cosign, image, "k", env=ENV, access=access)
    assert all(option in " ".join(argv) for argv, _ in cosign.calls)


def test_dockers_logins_are_passed_on(tmp_path: Path) -> None:
    cosign = Cosign()
    access = RegistryAccess(auth_config=tmp_path / "config.json")
    verify_image(cosign, IMAGE, "k", env=ENV, access=access)
    assert cosign.calls[0][1]["DOCKER_CONFIG"] == str(tmp_path)
    other = RegistryAccess(auth_config=tmp_path / "auth.json")
    with pytest.raises(SignatureError, match=r"named config\.json"):
        verify_image(cosign, IMAGE, "k", env=ENV, access=other)


def test_the_password_may_be_in_a_file(tmp_path: Path) -> None:
    file = tmp_path / "password"
    file.write_text("hunter2\n")
    assert SigningKey("k", password_file=file).read_password() == "hunter2"
    assert SigningKey("k").read_password() == ""
    with pytest.raises(SignatureError, match="password cannot be read"):
        SigningKey("k", password_file=tmp_path / "none").read_password()


def test_the_password_is_not_in_representation_or_error() -> None:
    assert "hunter2" not in repr(SigningKey("k", "hunter2"))
    cosign = Cosign(Completed(1, "", "it was hunter2\n"))
    with pytest.raises(SignatureError) as caught:
        sign_image(cosign, IMAGE, SigningKey("k", "hunter2"), env=ENV)
    assert caught.value.details == ("it was ***",)


def test_a_tag_is_neither_signed_nor_checked() -> None:
    tagged = ImageReference.parse("shop.example/web:v1")
    with pytest.raises(SignatureError, match="only a digest"):
        sign_image(Cosign(), tagged, SigningKey("k"), env=ENV)
    with pytest.raises(SignatureError, match="only a digest"):
        verify_image(Cosign(), tagged, "k", env=ENV)


@pytest.mark.parametrize(
    ("returncode", "message"),
    [(10, "is not signed$"), (12, "not signed by the configured key"), (1, "not be checked")],
)
def test_exit_codes_of_a_check_are_told_apart(returncode: int, message: str) -> None:
    said = "Error: because\nerror during command execution: because\n"
    with pytest.raises(SignatureError, match=message) as caught:
        verify_image(Cosign(Completed(returncode, "", said)), IMAGE, "k", env=ENV)
    assert caught.value.details == ("Error: because",)


def test_a_missing_cosign_is_said_with_the_command_that_installs_it() -> None:
    cosign = Cosign(FileNotFoundError())
    with pytest.raises(HostError, match="not installed") as caught:
        sign_image(cosign, IMAGE, SigningKey("k"), env=ENV)
    assert "apt-get install cosign" in caught.value.hint
    with pytest.raises(HostError, match="not installed"):
        verify_image(cosign, IMAGE, "k", env=ENV)


@pytest.mark.parametrize(
    "usage", ["--use-signing-config=true:\n--tlog-upload=true:\n", "--offline=false:\n"]
)
def test_a_cosign_that_would_publish_signatures_is_not_run(usage: str) -> None:
    cosign = Cosign(usage=Completed(0, usage, ""))
    with pytest.raises(HostError, match="publishing"):
        sign_image(cosign, IMAGE, SigningKey("k"), env=ENV)
    assert cosign.calls == []


def test_a_cosign_that_hangs_is_an_error() -> None:
    cosign = Cosign(subprocess.TimeoutExpired("cosign", 200))
    with pytest.raises(SignatureError, match="did not end in time"):
        verify_image(cosign, IMAGE, "k", env=ENV)
