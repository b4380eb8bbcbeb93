import json
import os
import subprocess
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from builder.errors import SecretError
from builder.process import Completed, run
from builder.project.environment import (
    CommandSource,
    DirectorySource,
    EnvironmentSource,
    SwarmSource,
)
from builder.secrets.sources import (
    MAX_BYTES,
    CommandSecrets,
    DirectorySecrets,
    Source,
    SwarmSecrets,
    VariableSecrets,
    open_source,
    read_secrets,
)
from builder.secrets.value import SecretValue

# What a secret may be: any text without NUL and without U+FFFD, which stands for lost bytes.
TEXT = st.text(
    st.characters(exclude_categories=["Cs"], exclude_characters="\0\ufffd"), min_size=1
).filter(lambda text: not text.endswith("\n"))
VALUES = TEXT | st.sampled_from(
    [
        "x" * 100_000,
        " lead",
        "trail ",
        "a\nb",
        "a\r",
        "\na",
        "$HOME `id` $(id)",
        "'\"\\",
        "größe 日本",
    ]
)
PRINT = "import sys; sys.stdout.buffer.write(open(sys.argv[1], 'rb').read())"


class FakeRunner:
    def __init__(self, *answers: Completed | Exception) -> None:
        self.answers = list(answers)
        self.argvs: list[list[str]] = []

    def __call__(
        self,
        argv: Sequence[str],
        *,
        env: Mapping[str, str] | None = None,
        stdin: bytes | None = None,
        timeout: float | None = None,
    ) -> Completed:
        self.argvs.append(list(argv))
        answer = self.answers.pop(0)
        if isinstance(answer, Exception):
            raise answer
        return answer


def command(*answers: Completed | Exception) -> CommandSecrets:
    return CommandSecrets(("pass", "show", "shop/{name}"), FakeRunner(*answers), {})


def error_of(source: Source, name: str = "db-password") -> str:
    with pytest.raises(SecretError) as caught:
        source.read(name)
    error = caught.value
    return "\n".join([error.where, error.message, error.hint, *error.details])


@given(VALUES)
@settings(suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_a_folder_gives_back_any_value_that_was_written(tmp_path: Path, text: str) -> None:
    source = DirectorySecrets(tmp_path / "secrets")
    source.write("db-password", SecretValue(text.encode()))
    assert source.read("db-password").reveal() == text.encode()
    assert os.listdir(tmp_path / "secrets") == ["db-password"]  # noqa: PTH208
    assert (tmp_path / "secrets" / "db-password").stat().st_mode & 0o777 == 0o600


@given(VALUES)
@settings(
    suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None, max_examples=25
)
def test_a_command_gives_what_it_prints_less_one_line_end(tmp_path: Path, text: str) -> None:
    (tmp_path / "db-password").write_bytes(text.encode() + b"\n")
    source = CommandSecrets((sys.executable, "-c", PRINT, f"{tmp_path}/{{name}}"), run, {})
    assert source.read("db-password").reveal() == text.encode()


@given(VALUES)
def test_a_variable_gives_its_exact_value(text: str) -> None:
    source = VariableSecrets("SHOP_", {"SHOP_DB_PASSWORD": text})
    assert source.read("db-password").reveal() == text.encode()


def test_a_files_one_line_end_is_no_part_of_the_value(tmp_path: Path) -> None:
    (tmp_path / "db-password").write_text("geheim\n")
    assert DirectorySecrets(tmp_path).read("db-password").reveal() == b"geheim"


@pytest.mark.parametrize(
    ("content", "problem"),
    [
        (b"", "is empty"),
        (b"\n", "is empty"),
        (b"a\n\n", "ends in a line end"),
        (b"a\0b", "has a NUL byte"),
        (b"\xff\xfe", "is not UTF-8"),
        (b"x" * (MAX_BYTES + 1), "is larger than 500 kB"),
    ],
)
def test_what_cannot_be_a_secret_is_refused(tmp_path: Path, content: bytes, problem: str) -> None:
    (tmp_path / "db-password").write_bytes(content)
    text = error_of(DirectorySecrets(tmp_path))
    assert problem in text
    assert str(tmp_path / "db-password") in text


def test_a_missing_file_a_folder_and_a_pipe_are_refused(tmp_path: Path) -> None:
    source = DirectorySecrets(tmp_path)
    assert "the secret db-password is missing" in error_of(source)
    (tmp_path / "folder").mkdir()
    assert "is not a file" in error_of(source, "folder")
    os.mkfifo(tmp_path / "pipe")
    assert "is not a file" in error_of(source, "pipe")


def test_an_unreadable_file_is_refused_with_the_reason(tmp_path: Path) -> None:
    path = tmp_path / "db-password"
    path.symlink_to(path)  # root reads any mode
    assert "cannot be read: Too many levels of symbolic links" in error_of(
        DirectorySecrets(tmp_path)
    )


def test_a_folder_or_file_open_to_all_is_warned_of(tmp_path: Path) -> None:
    folder = tmp_path / "secrets"
    source = DirectorySecrets(folder)
    source.write("db-password", SecretValue(b"x"))
    assert source.warnings() == ()
    folder.chmod(0o755)
    (folder / "db-password").chmod(0o644)
    first, second = source.warnings()
    assert "open to every user: chmod 700" in first
    assert "open to every user: chmod 600" in second


@pytest.mark.parametrize("name", ["../x", "a/b", "", ".", "A", "x\n", "-rf", "--help", "a" * 64])
def test_a_name_that_leaves_the_folder_or_is_an_option_is_refused(
    tmp_path: Path, name: str
) -> None:
    (tmp_path / "x").write_text("outside")
    for source in (
        DirectorySecrets(tmp_path / "secrets"),
        VariableSecrets("P_", {}),
        command(Completed(0, "x", "")),
        SwarmSecrets("p-", FakeRunner(), {}),
    ):
        assert "no name of a secret" in error_of(source, name)


def test_a_missing_or_empty_variable_is_named() -> None:
    assert "SHOP_DB_PASSWORD is not set" in error_of(VariableSecrets("SHOP_", {}))
    assert "is empty" in error_of(VariableSecrets("SHOP_", {"SHOP_DB_PASSWORD": ""}))


def test_a_commands_argv_holds_the_name_and_no_shell() -> None:
    runner = FakeRunner(Completed(0, "geheim\n", ""))
    CommandSecrets(("op", "read", "op://shop/{name}/password; id"), runner, {}).read("db-password")
    assert runner.argvs == [["op", "read", "op://shop/db-password/password; id"]]


def test_a_command_that_names_no_secret_is_refused() -> None:
    runner = FakeRunner(Completed(0, "geheim\n", ""))
    assert "no argument has {name}" in error_of(CommandSecrets(("cat", "/x"), runner, {}))
    assert runner.argvs == []


@pytest.mark.parametrize(
    ("answer", "problem"),
    [
        (FileNotFoundError(2, "No such file"), "there is no program pass"),
        (PermissionError(13, "Permission denied"), "Permission denied"),
        (subprocess.TimeoutExpired(["pass"], 60, output=b"geheim-canary"), "no answer within 60 s"),
        (Completed(3, "", "gpg: no key\n"), "the command ended with 3"),
        (Completed(0, "", "warning: none\n"), "printed nothing"),
        (Completed(0, "\n", ""), "printed nothing"),
        (Completed(0, "a\ufffdb", ""), "is not UTF-8"),
    ],
)
def test_a_command_that_fails_says_why(answer: Completed | Exception, problem: str) -> None:
    text = error_of(command(answer))
    assert problem in text
    assert "pass show shop/db-password" in text


def test_a_commands_standard_error_is_shown_without_the_value() -> None:
    text = error_of(command(Completed(1, "geheim-canary\nuser\n", "got geheim-canary, no user\n")))
    assert "got ***, no ***" in text
    assert "canary" not in text


def test_a_real_command_is_stopped_after_its_time() -> None:
    source = CommandSecrets(("sleep", "{name}"), run, dict(os.environ), seconds=0.2)
    assert "no answer" in error_of(source, "60")


def test_all_that_cannot_be_read_is_said_at_once(tmp_path: Path) -> None:
    source = DirectorySecrets(tmp_path)
    source.write("a", SecretValue(b"x"))
    with pytest.raises(SecretError) as caught:
        read_secrets(source, ["a", "b", "c"])
    assert len(caught.value.details) == 2
    assert caught.value.exit_code == 19


def test_a_swarm_lists_versions_by_age_and_gives_no_value() -> None:
    names = ["shop-db-password-2", "shop-db-password-10", "shop-crypt-key-ab12", "other-x-1"]
    lines = "".join(
        json.dumps({"CreatedAt": f"2026-11-0{day}T00:00:00Z", "Spec": {"Name": name}}) + "\n"
        for day, name in reversed(list(enumerate([*names, "shop-"], 1)))
    )
    runner = FakeRunner(Completed(0, "id1\nid2\n", ""), Completed(0, lines, ""))
    source = SwarmSecrets("shop-", runner, {})
    assert source.versions() == {"crypt-key": ("ab12",), "db-password": ("2", "10")}
    assert runner.argvs[1][-2:] == ["id1", "id2"]
    assert "gives no value back" in error_of(source)
    assert SwarmSecrets("shop-", FakeRunner(Completed(0, "", "")), {}).versions() == {}


def test_an_engine_that_is_no_manager_is_named() -> None:
    for answer in (Completed(1, "", "This node is not a swarm manager."), FileNotFoundError()):
        with pytest.raises(SecretError):
            SwarmSecrets("shop-", FakeRunner(answer), {}).versions()


def test_each_source_is_made_of_its_configuration(tmp_path: Path) -> None:
    env = {"HOME": "/home/me", "SHOP_X": "canary"}
    runner = FakeRunner()
    assert open_source(DirectorySource(directory="~/s"), tmp_path, env, runner) == (
        DirectorySecrets(Path("/home/me/s"))
    )
    assert open_source(DirectorySource(directory="s"), tmp_path, env, runner) == (
        DirectorySecrets(tmp_path / "s")
    )
    sources = [
        open_source(EnvironmentSource(env_prefix="SHOP_"), tmp_path, env, runner),
        open_source(CommandSource(command=("pass", "{name}")), tmp_path, env, runner),
        open_source(SwarmSource(swarm_prefix="shop-"), tmp_path, env, runner),
    ]
    assert [type(source) for source in sources] == [
        VariableSecrets,
        CommandSecrets,
        SwarmSecrets,
    ]
    assert "canary" not in repr(sources)
