import json
import subprocess
from collections.abc import Mapping, Sequence
from pathlib import Path

import pytest

from builder.dev.compose import (
    Stack,
    check_compose,
    compose_argv,
    exec_argv,
    explain_failure,
    parse_services,
    require_running,
    start_services,
)
from builder.errors import DiskFullError, HostError, KilnError, StackError
from builder.process import Completed

WEB = {"Service": "web", "State": "running", "Health": "healthy", "Image": "i", "ExitCode": 0}
SICK = {**WEB, "Service": "database", "Health": "unhealthy"}


class Scripted:
    """Stands for docker: answers by the word that the command line holds, and remembers it."""

    def __init__(self, **answers: Completed) -> None:
        self.answers = answers
        self.asked: list[list[str]] = []

    def __call__(
        self,
        argv: Sequence[str],
        *,
        env: Mapping[str, str] | None = None,
        stdin: bytes | None = None,
        timeout: float | None = None,
    ) -> Completed:
        self.asked.append(list(argv))
        for word, answer in self.answers.items():
            if word in argv:
                return answer
        raise AssertionError(argv)


def rows(*services: dict[str, object]) -> Completed:
    return Completed(0, "\n".join(json.dumps(one) for one in services), "")


def stack(tmp_path: Path, **answers: Completed) -> Stack:
    file = tmp_path / "compose.yaml"
    file.touch()
    return Stack("shop-dev-1", file, {}, Scripted(**answers))


def test_a_command_names_project_and_file(tmp_path: Path) -> None:
    here = stack(tmp_path)
    expected = ["docker", "compose", "--project-name", "shop-dev-1", "--file", str(here.file)]
    assert compose_argv(here, "ps") == [*expected, "ps"]


def test_without_a_file_the_project_is_found_by_its_name(tmp_path: Path) -> None:
    gone = Stack("shop-dev-1", tmp_path / "gone.yaml", {}, Scripted())
    assert "--file" not in compose_argv(gone, "down")


def test_a_terminal_is_asked_for_only_where_there_is_one(tmp_path: Path) -> None:
    here = stack(tmp_path)
    assert exec_argv(here, "bash", terminal=True)[-3:] == ["exec", "web", "bash"]
    assert exec_argv(here, "bash", terminal=False)[-4:] == ["exec", "--no-TTY", "web", "bash"]


def test_both_forms_of_the_list_of_services_are_read() -> None:
    row = {**WEB, "Publishers": [{"TargetPort": 8080, "PublishedPort": 20000}, {"TargetPort": 1}]}
    for text in (json.dumps(row), json.dumps([row])):
        (web,) = parse_services(text)
        assert web.ok
        assert web.ports == {8080: 20000}


@pytest.mark.parametrize(
    ("said", "kind", "words"),
    [
        ("Cannot connect to the Docker daemon at unix:///x", HostError, "does not answer"),
        ("write /x: no space left on device", DiskFullError, "no room"),
        (
            "Bind for 127.0.0.1:20001 failed: port is already allocated",
            HostError,
            "port 20001 has just been taken",
        ),
        (
            "failed to bind host port 127.0.0.1:20001/tcp: address already in use",
            HostError,
            "port 20001 has just been taken",
        ),
        ("something else", StackError, "something else"),
    ],
)
def test_a_failure_is_explained(
    tmp_path: Path, said: str, kind: type[KilnError], words: str
) -> None:
    error = explain_failure(stack(tmp_path), Completed(1, "", f"step\n{said}\n"), "up", ())
    assert type(error) is kind
    assert words in error.message


def test_a_service_that_does_not_come_up_is_named_with_its_last_lines(tmp_path: Path) -> None:
    sick = stack(
        tmp_path,
        up=Completed(1, "", "container is unhealthy"),
        ps=rows(WEB, SICK),
        logs=Completed(0, "first\nInnoDB: no\n", ""),
    )
    with pytest.raises(StackError) as caught:
        start_services(sick, ("database",))
    assert "database" in caught.value.message
    assert caught.value.details[-1] == "InnoDB: no"
    assert "kiln dev logs database" in caught.value.hint


def test_a_stack_that_is_down_is_no_place_to_run_commands_in(tmp_path: Path) -> None:
    require_running(stack(tmp_path, ps=rows(WEB)))
    for services in ([], [{**WEB, "State": "exited"}], [SICK]):
        with pytest.raises(StackError) as caught:
            require_running(stack(tmp_path, ps=rows(*services)))
        assert "kiln dev up" in caught.value.hint


@pytest.mark.parametrize(
    "answer",
    [Completed(0, "2.20.3\n", ""), Completed(1, "", "docker: 'compose' is not a docker command")],
)
def test_an_old_or_missing_compose_is_named(tmp_path: Path, answer: Completed) -> None:
    with pytest.raises(HostError, match=r"2\.21 is needed"):
        check_compose(stack(tmp_path, version=answer))


def test_a_new_compose_serves(tmp_path: Path) -> None:
    check_compose(stack(tmp_path, version=Completed(0, "2.26.1-4\n", "")))


def test_a_compose_that_hangs_is_left(tmp_path: Path) -> None:
    def hangs(argv: Sequence[str], **_: object) -> Completed:
        raise subprocess.TimeoutExpired(list(argv), 1)

    with pytest.raises(StackError, match="does not end"):
        check_compose(Stack("s", tmp_path / "compose.yaml", {}, hangs))
