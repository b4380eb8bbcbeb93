"""Looking into a system, mending it, and promoting what it serves."""

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import docker
import pytest
import requests
from selenium.common.exceptions import StaleElementReferenceException
from selenium.webdriver import Chrome
from selenium.webdriver.support.ui import WebDriverWait

from tests.browser import open_browser
from tests.conftest import Kiln
from tests.e2e.systems import Images, System, run_environment

# A machine with other things to do shows a page late.
PATIENCE = 120


def status(system: System) -> dict[str, Any]:
    found: dict[str, Any] = system.done("status", system.name, "--output", "json").json()
    return found


def test_status_says_what_serves_and_takes_no_lock(system: System, images: Images) -> None:
    before = (system.state_folder / "token").read_text()
    ended = system.done("status", system.name, "--output", "json", "--check")
    found = ended.json()
    assert found["healthy"] is True
    assert found["problems"] == []
    assert found["mode"] == "open"
    assert found["lock"] is None
    serving = found["serving"]
    assert serving["digest"] == images.first.partition("@")[2]
    assert serving["secrets"].keys() == {"db-password", "crypt-key"}
    (live,) = (slot for slot in found["slots"] if slot["live"])
    assert live["releases"] == [system.current]
    assert [server["up"] for server in live["servers"]] == [True, True]
    assert {one["role"] for one in found["containers"]} == {
        *("keeper", "proxy", "database", "cache", "web", "cron")
    }
    assert (system.state_folder / "token").read_text() == before


def test_status_counts_what_the_live_slot_was_asked(system: System) -> None:
    def asked() -> int:
        return sum(slot["traffic"]["total"] for slot in status(system)["slots"])

    before = asked()
    for _ in range(5):
        system.get()
    assert asked() >= before + 5


def test_status_says_what_does_not_run(system: System) -> None:
    keeper, proxy = system.container("keeper"), system.container("proxy")
    proxy.engine.stop(timeout=1)
    try:
        ended = system("status", system.name, "--output", "json", "--check")
        assert ended.code == 27
        found = ended.json()
        assert found["serving"]["release"] == system.current
        assert any("proxy" in problem for problem in found["problems"])
        keeper.engine.stop(timeout=1)
        found = status(system)
        assert any("keeper does not run" in problem for problem in found["problems"])
        assert found["serving"] is None
        assert len(found["containers"]) >= 6
    finally:
        keeper.engine.start()
        proxy.engine.start()


def test_a_deploy_of_what_serves_already_has_nothing_to_do(system: System, images: Images) -> None:
    before = system.current, system.names()
    ended = system.deploy(images.first)
    assert ended.code == 0, ended.err
    assert ended.out.startswith("nothing to do")
    assert (system.current, system.names()) == before
    # A setting that only containers know is a difference as well.
    system.change(web={"replicas": 2, "max_children": 6})
    try:
        assert "serves already" not in system.done("plan", system.name, images.first).out
    finally:
        system.change(web={"replicas": 2, "max_children": 8})
    assert "serves already" in system.done("plan", system.name, images.first).out


def test_logs_are_those_of_the_live_release_or_of_a_role(system: System) -> None:
    everything = system.done("logs", system.name)
    names = {line.partition(" ")[0] for line in everything.out.splitlines()}
    assert {f"r{system.current}-web-1", f"r{system.current}-cron"} <= names
    database = system.done("logs", system.name, "database").out.splitlines()
    assert database
    assert all(line.startswith("database | ") for line in database)
    assert system.done("logs", system.name, "database", "--since", "2999-01-01").out == ""
    none = system("logs", system.name, "--release", "999")
    assert none.code == 23
    assert f"r{system.current}-web-1" in none.err


def test_logs_are_followed(system: System) -> None:
    process = system.start("logs", system.name, "keeper", "-f")
    container = system.container("keeper").engine
    assert process.stdout is not None
    # What the keeper's first process prints.
    container.exec_run(["sh", "-c", "echo hello from within > /proc/1/fd/1"])
    try:
        assert "hello from within" in process.stdout.readline()
        assert process.poll() is None
    finally:
        process.terminate()
        assert process.wait(timeout=60) == 130


def test_a_command_runs_in_the_live_release_and_its_exit_code_is_passed_on(
    system: System,
) -> None:
    name = system.name
    ended = system.done("exec", name, "--", "sh", "-c", "id -u; hostname")
    uid, host = ended.out.split()
    web = system.containers(role="web", release=str(system.current))[0]
    assert (uid, host) == ("33", str(web.id)[:12])
    assert system("exec", name, "--role", "cron", "--", "sh", "-c", "exit 7").code == 7
    assert system.done("exec", name, "cat", stdin="given").out == "given"
    missing = system("exec", name, "--role", "consumer", "true")
    assert missing.code == 23
    assert system.printed
    values = [one.read_text() for one in system.source.iterdir()]
    assert not [value for value in values if any(value in text for text in system.printed)]


LEASE = {"owner": "eve@elsewhere, process 9", "command": "kiln deploy", "since": "noon"}


def test_a_lock_is_shown_and_broken_when_it_is_confirmed(system: System, images: Images) -> None:
    keeper = system.container("keeper")
    code, _ = keeper.run("kiln-state", "acquire", "600", json.dumps({**LEASE, "process": ""}))
    assert code == 0
    assert status(system)["lock"]["owner"] == LEASE["owner"]
    assert system.deploy(images.second).code == 22
    kept = system("unlock", system.name, stdin="n\n")
    assert kept.code == 23
    assert "eve@elsewhere" in kept.err
    assert status(system)["lock"]["owner"] == LEASE["owner"]
    system.done("unlock", system.name, stdin="y\n")
    assert status(system)["lock"] is None
    found = system.done("history", system.name, "--output", "json").json()
    assert found["audit"][0]["what"] == "unlock"
    assert found["audit"][0]["owner"] == LEASE["owner"]
    assert "nobody" in system.done("unlock", system.name).out


def test_leftovers_are_removed_and_what_is_needed_stays(system: System, images: Images) -> None:
    current = str(system.current)
    before = system.names()
    left = system.engine.containers.create(
        images.first,
        name=f"{system.stack}-probe-job-status",
        labels={
            "io.kiln.stack": system.stack,
            "io.kiln.release": "9",
            "io.kiln.role": "job",
        },
    )
    secrets = system.source.parent / system.stack
    for folder in (secrets / "probe", secrets / "77", system.state_folder / "releases" / "probe"):
        folder.mkdir()
    dry = system.done("prune", system.name, "--dry-run", "--output", "json").json()
    assert dry["containers"] == [left.name]
    assert (dry["secrets"], dry["records"]) == (["77", "probe"], ["probe"])
    assert left.name in [one.name for one in system.containers()]
    assert system.done("prune", system.name, "--output", "json").json() == {**dry, "removed": True}
    assert system.names() == before
    assert {one.name for one in secrets.iterdir()} == {current, "incoming", "services"}
    assert "nothing to remove" in system.done("prune", system.name).out
    assert status(system)["healthy"] is True


@pytest.fixture(scope="module")
def url(system: System) -> Iterator[str]:
    process = system.start("status", system.name, "--serve", "127.0.0.1:0")
    assert process.stderr is not None
    line = process.stderr.readline()
    assert line.startswith("http://127.0.0.1:"), line
    yield line.split()[0]
    process.terminate()
    assert process.wait(timeout=60) == 0


@pytest.fixture
def browser(tmp_path: Path) -> Iterator[Chrome]:
    with open_browser(tmp_path / "profile") as made:
        made.set_page_load_timeout(PATIENCE)
        yield made


def text_of(browser: Chrome, selector: str) -> str:
    return browser.find_element("css selector", selector).text


def wait_for(browser: Chrome, selector: str, text: str) -> None:
    """Wait until the page, which reloads itself, says something."""
    wait = WebDriverWait(browser, PATIENCE, ignored_exceptions=[StaleElementReferenceException])
    wait.until(lambda shown: text in text_of(shown, selector))


def test_the_page_shows_what_serves_and_what_it_is_asked(
    system: System, url: str, browser: Chrome
) -> None:
    for _ in range(3):
        system.get()
    browser.get(url)
    assert browser.title == system.stack
    assert text_of(browser, "h1") == system.stack
    assert text_of(browser, "#health") == "healthy"
    assert text_of(browser, "#release") == str(system.current)
    assert text_of(browser, "#mode") == "open"
    assert text_of(browser, "#lock") == "nobody"
    live = [
        row.text
        for row in browser.find_elements("css selector", "[id^=slot-]")
        if "live" in row.text
    ]
    assert len(live) == 1
    assert "2 of 2" in live[0]
    tables = browser.find_element("tag name", "main").text
    assert f"{system.stack}-database" in tables
    # Its style is loaded, and nothing is against its own policy.
    health = browser.find_element("id", "health")
    assert health.value_of_css_property("font-weight") == "600"
    assert browser.get_log("browser") == []  # type: ignore[no-untyped-call]


def test_the_page_follows_what_happens_by_itself(system: System, url: str, browser: Chrome) -> None:
    browser.get(url)
    wait_for(browser, "#health", "healthy")
    (cron,) = system.containers(role="cron")
    cron.stop(timeout=30)
    try:
        wait_for(browser, "#health", "not healthy")
        assert "0 of 1 cron containers run" in text_of(browser, "main")
    finally:
        cron.start()
    WebDriverWait(browser, PATIENCE, ignored_exceptions=[StaleElementReferenceException]).until(
        lambda shown: text_of(shown, "#health") == "healthy"
    )


def test_the_page_holds_no_secret(system: System, url: str) -> None:
    pages = [requests.get(f"{url}{path}", timeout=PATIENCE).text for path in ("", "status.json")]
    for secret in system.source.iterdir():
        assert not any(secret.read_text() in page for page in pages)


@pytest.fixture(scope="module")
def staging(
    kiln: Kiln, engine: docker.DockerClient, images: Images, system: System
) -> Iterator[System]:
    """A staging beside the production, of the same tree, that serves the second image."""
    with run_environment(kiln, engine, system.tree, "staging") as made:
        ended = made.deploy(images.second)
        assert ended.code == 0, ended.err
        yield made


@pytest.fixture
def hooks(system: System) -> Iterator[Path]:
    """Hooks that write down what they are given; the file."""
    folder = system.tree / "hooks"
    folder.mkdir()
    seen = folder / "seen"
    for name in ("before-release", "after-release", "failed-release"):
        hook = folder / name
        hook.write_text(f"#!/bin/sh\ntee -a {seen}\necho >> {seen}\n")
        hook.chmod(0o755)
    yield seen
    for one in folder.iterdir():
        one.unlink()
    folder.rmdir()


def told(seen: Path) -> list[dict[str, Any]]:
    return [json.loads(line) for line in seen.read_text().splitlines()]


def test_production_gets_what_staging_has_accepted_and_nothing_else(
    system: System, staging: System, images: Images, hooks: Path
) -> None:
    before = system.current
    refused = system("promote", "staging", "production")
    assert refused.code == 23, refused.err
    assert "kiln accept staging" in refused.err
    assert system.current == before
    word = system.done("accept", "staging", "--note", "looks good", "--output", "json").json()
    assert word["digest"] == images.second.partition("@")[2]
    planned = system.done("promote", "staging", "production", "--dry-run", "--output", "json")
    assert planned.json()["release"]["image"] == images.second
    assert system.current == before
    promoted = system("promote", "staging", "production")
    assert promoted.code == 0, promoted.err
    assert status(system)["serving"]["image"] == images.second
    assert "second release" in system.get().text
    assert [one["moment"] for one in told(hooks)] == ["before", "after"]
    assert told(hooks)[1]["outcome"] == "live"
    # What a hook prints is shown.
    assert "is about to begin" in promoted.err
    (entry, *_) = system.done("history", "production", "--output", "json").json()["audit"]
    assert (entry["what"], entry["source"], entry["accepted_by"]) == (
        *("promote", "staging", word["by"]),
    )
    system.done("accept", "staging", "--revoke")
    assert system("promote", "staging", "production").code == 23


def test_history_tells_what_became_of_a_release_that_failed(
    system: System, images: Images, hooks: Path
) -> None:
    before = system.current
    assert system.deploy(images.failing).code == 21
    newest, *others = system.done("history", system.name, "--output", "json").json()["releases"]
    assert newest["outcome"] == "put back"
    assert "answers 500" in newest["failed"]
    assert [one["outcome"] for one in others if one["release"] == before] == ["live"]
    text = system.done("history", system.name).out
    assert f"release {newest['release']}: " in text
    assert [one["moment"] for one in told(hooks)] == ["before", "failed"]
    assert "answers 500" in told(hooks)[1]["reason"]
    assert status(system)["healthy"] is True


def test_a_hook_can_refuse_a_release(system: System, images: Images, hooks: Path) -> None:
    before = system.current, system.names()
    (hooks.parent / "before-release").write_text("#!/bin/sh\necho not today; exit 1\n")
    refused = system.deploy(images.first, "--force")
    assert refused.code == 21
    assert "not today" in refused.err
    assert (system.current, system.names()) == before
    assert [(one["moment"], one["outcome"]) for one in told(hooks)] == [("failed", "put back")]
