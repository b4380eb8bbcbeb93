"""`kiln config dump` from a running development system."""

import contextlib
import os
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.conftest import Kiln, copy_store

GREETING = "kiln/sample/greeting"
CANARY = "canary-of-a-developer"


@pytest.fixture
def developed(kiln: Kiln, tmp_path: Path) -> Iterator[Path]:
    """A copy of the sample shop with its development system up."""
    tree = copy_store(tmp_path / "shop", name=f"kiln-test-dump-{os.getpid()}")
    try:
        up = kiln("dev", "up", cwd=tree)
        assert up.code == 0, up.err
        yield tree
    finally:
        kiln("dev", "down", "--volumes", cwd=tree)


def test_a_setting_made_in_development_gets_into_config_php_and_nothing_else_does(
    kiln: Kiln, developed: Path
) -> None:
    def magento(*arguments: str) -> str:
        ended = kiln("dev", "magento", *arguments, cwd=developed)
        assert ended.code == 0, ended.err
        return ended.out

    config, env_php = developed / "app/etc/config.php", developed / "app/etc/env.php"
    magento("config:set", GREETING, "Moin")
    magento("config:set", "kiln/sample/cron_sleep_ms", "5")
    magento("config:set", "kiln/sample/api_token", CANARY)
    kept = env_php.read_bytes()

    first = kiln("config", "dump", "--setting", GREETING, cwd=developed)
    assert first.code == 0, first.err
    assert f"locked: {GREETING} (default)" in first.err
    assert "not locked: kiln/sample/cron_sleep_ms (default)" in first.err
    text = config.read_text()
    assert "'greeting' => 'Moin'" in text
    assert "cron_sleep_ms" not in text
    # app:config:dump would lock what is sensitive and system-specific in env.php.
    assert env_php.read_bytes() == kept
    assert CANARY not in text + first.out + first.err
    # The system goes on with what was written: nothing is left to import.
    magento("app:config:status")
    assert "Moin" in magento("config:show", GREETING)

    # Killed at any moment, it leaves the tree's files as they are.
    for seconds in (0.5, 2, 3, 4):
        started = kiln.start("config", "dump", cwd=developed)
        with contextlib.suppress(subprocess.TimeoutExpired):
            started.wait(seconds)
        started.kill()
        started.communicate()
        assert (config.read_text(), env_php.read_bytes()) == (text, kept)

    again = kiln("config", "dump", cwd=developed)
    assert again.code == 0, again.err
    assert config.read_text() == text
