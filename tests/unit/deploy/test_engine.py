from hypothesis import given
from hypothesis import strategies as st

from builder.deploy.engine import split_streams


@given(st.lists(st.tuples(st.sampled_from([1, 2]), st.binary(max_size=40))))
def test_output_and_errors_are_told_apart(frames: list[tuple[int, bytes]]) -> None:
    content = b"".join(
        bytes([stream, 0, 0, 0]) + len(part).to_bytes(4, "big") + part for stream, part in frames
    )
    out = b"".join(part for stream, part in frames if stream == 1)
    err = b"".join(part for stream, part in frames if stream == 2)
    assert split_streams(content) == (out, err)
