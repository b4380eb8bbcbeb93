"""A real browser for tests, without a screen."""

import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from selenium.webdriver import Chrome, ChromeOptions, ChromeService

# As root in a container, and without a word to the outside.
FLAGS = (
    *("--headless", "--no-sandbox", "--disable-gpu", "--disable-dev-shm-usage", "--disable-quic"),
    *("--no-first-run", "--disable-background-networking", "--disable-component-update"),
    *("--disable-sync", "--window-size=1100,1400"),
)


@contextmanager
def open_browser(profile: Path) -> Iterator[Chrome]:
    """Debian's Chromium; what its pages complain about is in `get_log("browser")`.

    Args:
        profile: an empty folder.
    """
    programs = {name: shutil.which(name) for name in ("chromium", "chromedriver")}
    missing = [name for name, path in programs.items() if path is None]
    assert not missing, f"{missing}: python -m tests.install installs them"
    options = ChromeOptions()
    options.binary_location = str(programs["chromium"])
    for flag in (*FLAGS, f"--user-data-dir={profile}"):
        options.add_argument(flag)
    options.set_capability("goog:loggingPrefs", {"browser": "ALL"})
    browser = Chrome(options=options, service=ChromeService(programs["chromedriver"]))
    try:
        yield browser
    finally:
        browser.quit()
