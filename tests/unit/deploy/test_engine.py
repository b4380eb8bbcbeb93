import docker.errors
import pytest
import requests
import urllib3.exceptions
from hypothesis import given
from hypothesis import strategies as st

from builder.deploy.engine import engine_errors, explain_refusal, split_streams
from builder.errors import DiskFullError, EngineError

REFUSED = ConnectionRefusedError(111, "Connection refused")


@pytest.mark.parametrize(
    ("error", "said"),
    [
        (
            requests.ConnectionError(
                urllib3.exceptions.ProtocolError("Connection aborted.", REFUSED)
            ),
            "the container engine does not answer: Connection refused",
        ),
        (
            urllib3.exceptions.ProtocolError(
                "Connection broken", ConnectionResetError(104, "Reset")
            ),
            "the container engine does not answer: Reset",
        ),
        (REFUSED, "the container engine does not answer: Connection refused"),
        (
            docker.errors.APIError(
                requests.HTTPError("500 Server Error"),  # type: ignore[arg-type]
                explanation="no such\nthing",
            ),
            "no such thing",
        ),
    ],
)
def test_whatever_breaks_on_the_way_to_the_engine_is_its_error(error: Exception, said: str) -> None:
    with pytest.raises(EngineError) as raised, engine_errors("here"):
        raise error
    assert raised.value.message == said
    assert raised.value.where == "here"


def test_a_full_disk_is_an_error_of_its_own() -> None:
    assert isinstance(explain_refusal("write x: no space left on device", "here"), DiskFullError)


def test_compose_says_in_its_own_words_that_nobody_answers() -> None:
    error = explain_refusal("Cannot connect to the Docker daemon at unix:///x", "here")
    assert error.message.startswith("the container engine does not answer: ")


@given(st.lists(st.tuples(st.sampled_from([1, 2]), st.binary(max_size=40))))
def test_output_and_errors_are_told_apart(frames: list[tuple[int, bytes]]) -> None:
    content = b"".join(
        bytes([stream, 0, 0, 0]) + len(part).to_bytes(4, "big") + part for stream, part in frames
    )
    out = b"".join(part for stream, part in frames if stream == 1)
    err = b"".join(part for stream, part in frames if stream == 2)
    assert split_streams(content) == (out, err)
