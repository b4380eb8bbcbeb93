"""Lines of logs, as the engine gives them in pieces."""

from datetime import UTC, datetime, timedelta

import pytest

from builder.deploy.logs import LogLine, parse_since, split_lines

NOW = datetime(2026, 11, 2, 12, tzinfo=UTC)


def test_lines_are_put_together_from_pieces() -> None:
    chunks = [b"2026-11-02T12:00:00.000000001Z first\r\n2026-11-02T12:", b"00:01Z sec", b"ond\n"]
    assert list(split_lines("web-1", iter([*chunks, b"2026-11-02T12:00:02Z cut off"]))) == [
        LogLine("2026-11-02T12:00:00.000000001Z", "web-1", "first"),
        LogLine("2026-11-02T12:00:01Z", "web-1", "second"),
        LogLine("2026-11-02T12:00:02Z", "web-1", "cut off"),
    ]


def test_bytes_that_are_no_text_do_not_end_the_log() -> None:
    (line,) = split_lines("web-1", iter([b"2026-11-02T12:00:00Z \xff\n"]))
    assert line.text == "�"


@pytest.mark.parametrize(
    ("text", "moment"),
    [
        ("90s", NOW - timedelta(seconds=90)),
        ("10m", NOW - timedelta(minutes=10)),
        ("3d", NOW - timedelta(days=3)),
        ("2026-11-01", NOW - timedelta(hours=36)),
        ("2026-11-02T13:00:00+02:00", NOW - timedelta(hours=1)),
    ],
)
def test_a_moment_is_how_long_ago_or_a_time(text: str, moment: datetime) -> None:
    assert parse_since(text, NOW) == moment


@pytest.mark.parametrize("text", ["", "10", "yesterday", "10 m"])
def test_another_moment_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match=r".*"):
        parse_since(text, NOW)
