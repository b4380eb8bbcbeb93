"""Engines and builders by their recorded answers."""

import json
import subprocess
from collections.abc import Mapping, Sequence

import pytest

from builder.errors import HostError
from builder.host.engine import Builder, Engine, check_builder, read_builder, read_engine
from builder.process import Completed

# `docker version --format '{{json .}}'`, shortened, of Debian 13's and of Debian 12's docker.io.
NEW_SERVER = {"Version": "26.1.5+dfsg1", "ApiVersion": "1.45", "Os": "linux", "Arch": "amd64"}
OLD_SERVER = {"Version": "20.10.24+dfsg1", "ApiVersion": "1.41", "Os": "linux", "Arch": "amd64"}
# `docker info`, with and without containerd's image store.
CONTAINERD = {"DriverStatus": [["driver-type", "io.containerd.snapshotter.v1"]]}
OVERLAY = {"DriverStatus": [["Backing Filesystem", "extfs"], ["Supports d_type", "true"]]}
BUILDX = "github.com/docker/buildx 0.13.1+ds1 0.13.1+ds1-3\n"
INSPECTED = """Name:          default
Driver:        docker
Last Activity: 2026-11-24 08:45:11 +0000 UTC

Nodes:
Name:             default
Endpoint:         default
Status:           running
"""
TOO_OLD = Engine("20.10.24+dfsg1", "1.41", containerd_store=False, architecture="amd64")
GOOD = Engine("26.1.5+dfsg1", "1.45", containerd_store=True, architecture="amd64")


class Answers:
    """A `docker` that gives recorded answers, by the first words of the command line."""

    def __init__(self, answers: Mapping[str, object]) -> None:
        self._answers = answers

    def __call__(
        self,
        argv: Sequence[str],
        *,
        env: Mapping[str, str] | None = None,
        stdin: bytes | None = None,
        timeout: float | None = None,
    ) -> Completed:
        line = " ".join(argv)
        answer = next(found for start, found in self._answers.items() if line.startswith(start))
        if isinstance(answer, Exception):
            raise answer
        if isinstance(answer, Completed):
            return answer
        return Completed(0, answer if isinstance(answer, str) else json.dumps(answer), "")


def test_an_engine_is_read() -> None:
    run = Answers({"docker version": {"Server": NEW_SERVER}, "docker info": CONTAINERD})
    assert read_engine(run) == GOOD


def test_an_old_engine_is_read() -> None:
    run = Answers({"docker version": {"Server": OLD_SERVER}, "docker info": OVERLAY})
    assert read_engine(run) == TOO_OLD


@pytest.mark.parametrize(
    ("answer", "says", "hint"),
    [
        (
            Completed(
                1,
                '{"Client":{"Version":"28.2.2"},"Server":null}',
                "Cannot connect to the Docker daemon at unix:///var/run/docker.sock. "
                "Is the docker daemon running?\n",
            ),
            "does not answer: Cannot connect to the Docker daemon at unix:///var/run/docker.sock",
            "start it",
        ),
        (
            Completed(
                1,
                '{"Client":{"Version":"29.0.0"},"Server":null}',
                "Error response from daemon: client version 1.44 is too new. "
                "Maximum supported API version is 1.41\n",
            ),
            "Maximum supported API version is 1.41",
            "update it to Docker 25 or later",
        ),
        (FileNotFoundError("docker"), "docker is not installed", "install Docker 25 or later"),
        (subprocess.TimeoutExpired("docker", 60), "does not answer within 60 s", "restart it"),
    ],
)
def test_an_engine_that_cannot_be_asked(answer: object, says: str, hint: str) -> None:
    with pytest.raises(HostError) as caught:
        read_engine(Answers({"docker version": answer}))
    assert says in caught.value.message
    assert hint in caught.value.hint


def test_a_builder_is_read() -> None:
    run = Answers({"docker buildx version": BUILDX, "docker buildx inspect": INSPECTED})
    assert read_builder(run, None) == Builder("default", "docker", "0.13.1")


def test_a_client_without_buildx() -> None:
    missing = Completed(1, "", "docker: 'buildx' is not a docker command.\nSee 'docker --help'\n")
    with pytest.raises(HostError, match="buildx plugin is not installed") as caught:
        read_builder(Answers({"docker buildx version": missing}), None)
    assert "apt-get install docker-buildx" in caught.value.hint


def test_a_builder_that_does_not_exist() -> None:
    missing = Completed(1, "", 'ERROR: no builder "kiln" found\n')
    run = Answers({"docker buildx version": BUILDX, "docker buildx inspect kiln": missing})
    with pytest.raises(
        HostError, match='no builder kiln: ERROR: no builder "kiln" found'
    ) as caught:
        read_builder(run, "kiln")
    assert "docker buildx ls" in caught.value.hint


@pytest.mark.parametrize(
    ("engine", "builder", "says", "hint"),
    [
        (
            TOO_OLD,
            Builder("default", "docker", "0.13.1"),
            r"the engine 20.10.24\+dfsg1 is too old: its API is 1.41, 1.44 is needed",
            "update it to Docker 25 or later",
        ),
        (
            GOOD,
            Builder("default", "docker", "0.9.1"),
            "buildx 0.9.1 is too old, 0.13 is needed",
            "update the buildx plugin",
        ),
        (
            Engine("26.1.5", "1.45", containerd_store=False, architecture="amd64"),
            Builder("default", "docker", "0.13.1"),
            "keeps images without containerd",
            '{"features": {"containerd-snapshotter": true}}',
        ),
    ],
)
def test_what_cannot_build_is_refused(
    engine: Engine, builder: Builder, says: str, hint: str
) -> None:
    with pytest.raises(HostError, match=says) as caught:
        check_builder(engine, builder)
    assert hint in caught.value.hint
    assert caught.value.where


@pytest.mark.parametrize(
    ("engine", "builder"),
    [
        (GOOD, Builder("default", "docker", "0.13.1")),
        (Engine("25.0", "1.44", False, "amd64"), Builder("kiln", "docker-container", "0.20")),
    ],
)
def test_what_can_build_is_taken(engine: Engine, builder: Builder) -> None:
    check_builder(engine, builder)
