from pathlib import Path

import pytest

GOLDEN = Path(__file__).parent.parent / "golden"


class Golden:
    """Compares text with a file of tests/golden."""

    def __init__(self, write: bool) -> None:
        self._write = write

    def check(self, name: str, text: str) -> None:
        path = GOLDEN / name
        if self._write:
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(text)
        assert text == path.read_text()


@pytest.fixture
def golden(request: pytest.FixtureRequest) -> Golden:
    return Golden(bool(request.config.getoption("--golden")))
