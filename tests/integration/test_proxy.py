"""The proxy under load: swaps, reloads, restarts, failing containers. PROXY_BASE names another
Debian image, e.g. one with HAProxy 3.0."""

import collections
import json
import os
import socket
import subprocess
import threading
import uuid
from collections.abc import Iterator
from ipaddress import IPv4Network
from pathlib import Path
from typing import Any

import docker
import pytest
import requests

from builder.errors import ProxyError
from builder.plan.proxy import PROXY_UID, Listener, assets_backend, slot_backend
from tests.integration.proxy_site import (
    PAGE,
    SCRIPT_PATH,
    Held,
    Site,
    build_proxy_image,
    read_answer,
    run_site,
    threads,
)
from tests.load.plan import Kind, LoadPlan
from tests.load.process import LoadProcess, start_load

READING = ((Kind.PAGE, 2), (Kind.STATIC, 3))
# Longer than any test: each ends its load itself.
SECONDS = 600.0


@pytest.fixture(scope="module")
def proxy_image(tmp_path_factory: pytest.TempPathFactory) -> str:
    return build_proxy_image(tmp_path_factory.mktemp("image") / "work")


@pytest.fixture(scope="module")
def running(
    engine: docker.DockerClient,
    record: dict[str, Any],
    proxy_image: str,
    tmp_path_factory: pytest.TempPathFactory,
) -> Iterator[Site]:
    with run_site(engine, proxy_image, record["image"], tmp_path_factory.mktemp("site")) as site:
        yield site


@pytest.fixture
def site(running: Site) -> Site:
    """Both slots are full, blue is live, all versions are known."""
    # The test before may have started it anew.
    running.wait(lambda: running.proxy.workers().current is not None, "the proxy has a worker")
    running.configure(allowed=(), trusted=(), listeners=(Listener(8080),), page=PAGE)
    running.fill("blue", "green")
    proxy = running.proxy
    proxy.set_versions({running.versions[slot]: slot_backend(slot) for slot in running.versions})
    proxy.set_mode("open")
    proxy.set_live("blue")
    return running


def load(site: Site, **changes: Any) -> LoadPlan:
    values: dict[str, Any] = {
        "host": site.address,
        "port": 8080,
        "requests": 1_000_000,
        "seconds": SECONDS,
        "keepalive_clients": 6,
        "new_clients": 4,
        "mix": READING,
        "timeout_s": 30,
    }
    return LoadPlan(**{**values, **changes})


def more(running: LoadProcess, requests: int) -> None:
    """Wait until so many more requests were answered."""
    running.wait_done(running.progress.done + requests)


def get(site: Site, path: str, **options: Any) -> requests.Response:
    return requests.get(f"{site.url}{path}", timeout=30, allow_redirects=False, **options)


def served_by(site: Site) -> str:
    """The slot that answers."""
    return str(get(site, SCRIPT_PATH).json()["host"]).partition("-")[0]


# -- swap and drain ---------------------------------------------------------------------------


def test_the_proxy_is_not_root_and_writes_nowhere(site: Site) -> None:
    assert site.run(["id", "-u"]).stdout.strip() == str(PROXY_UID)
    assert site.run(["touch", "/proxy/x", "/x"]).returncode != 0


def test_the_image_has_what_a_keeper_needs(site: Site) -> None:
    for program in ("bash", "flock", "tar", "find", "sleep", "socat"):
        assert site.run(["sh", "-c", f"command -v {program}"]).returncode == 0, program


def test_swaps_lose_no_request(site: Site) -> None:
    with start_load(load(site)) as running:
        more(running, 300)
        for slot in ("green", "blue", "green", "blue"):
            site.proxy.set_live(slot)
            assert site.proxy.live() == slot
            more(running, 700)
        result = running.stop()
    assert result.first_failures == []
    assert len(result.records) > 3000
    assert set(result.versions) == set(site.versions.values())


def told(site: Site, command: str) -> str:
    """What the worker answers."""
    ask = f"echo '{command}' | socat -t 30 - UNIX-CONNECT:/run/haproxy/admin.sock"
    return site.run(["sh", "-c", ask]).stdout


def test_a_swap_that_was_killed_half_way_can_be_done_again(site: Site) -> None:
    """After the file, and in the middle of what the worker is told."""
    site.write_file("live.map", b"live be_green\n")
    path = "/proxy/live.map"
    version = told(site, f"prepare map {path}").split()[-1]
    assert told(site, f"add map @{version} {path} live none").strip() == ""
    assert site.proxy.live() == "blue"
    assert served_by(site) == "blue"
    for _ in range(2):
        site.proxy.set_live("green")
        assert site.proxy.live() == "green"
        assert served_by(site) == "green"


def test_a_drain_lasts_until_the_last_request_has_ended(site: Site) -> None:
    held = Held(site, "drain")
    site.wait(lambda: site.proxy.connections("blue") == 1, "the request is counted")
    site.proxy.set_live("green")
    assert served_by(site) == "green"
    early = site.proxy.drain("blue", 1)
    assert early.left == 1
    counts: list[int] = []

    def finish() -> None:
        site.wait(lambda: bool(counts), "a count")
        held.finish()

    with threads(finish):
        drained = site.proxy.drain("blue", 60, counts.append)
    assert drained.left == 0
    assert counts[0] == 1
    assert counts[-2:] == [0, 0]


def test_a_slow_page_is_answered_by_the_release_that_it_has_begun_in(site: Site) -> None:
    answers: list[requests.Response] = []
    with threads(lambda: answers.append(get(site, "/kiln/sample/slow?ms=4000"))):
        site.wait(lambda: site.proxy.connections("blue") == 1, "the request is counted")
        site.proxy.set_live("green")
        counts: list[int] = []
        assert site.proxy.drain("blue", 60, counts.append).left == 0
        assert counts[0] == 1
    assert answers[0].json()["content_version"] == site.versions["blue"]


def test_under_load_an_old_slot_is_drained(site: Site) -> None:
    """Static content of its version comes from elsewhere by then."""
    site.start_assets("blue", 1)
    with start_load(load(site)) as running:
        more(running, 300)
        site.proxy.wait_assets_up(1, 60)
        site.proxy.set_versions(
            {site.versions["blue"]: assets_backend(1), site.versions["green"]: "be_green"}
        )
        site.proxy.set_live("green")
        assert site.proxy.drain("blue", 60).left == 0
        for index in (1, 2):
            site.webs[f"blue-{index}"].stop(timeout=60)
        more(running, 500)
        result = running.stop()
    assert result.first_failures == []
    assert set(result.versions) == set(site.versions.values())


# -- reload and restart -----------------------------------------------------------------------


def test_reloads_lose_no_request(site: Site) -> None:
    with start_load(load(site)) as running:
        more(running, 300)
        for number in range(4):
            assert site.configure(page=f"{PAGE}{number}")
            more(running, 500)
        result = running.stop()
    assert result.first_failures == []
    assert len(result.records) > 2000


def test_a_configuration_is_loaded_once(site: Site) -> None:
    before = site.proxy.workers()
    assert site.configure(page=PAGE) is False
    assert site.proxy.workers() == before


def test_a_reload_waits_for_no_request_and_a_drain_for_all(site: Site) -> None:
    """Also for what the worker of before the reload still serves."""
    held = Held(site, "reload")
    site.wait(lambda: site.proxy.connections("blue") == 1, "the request is counted")
    site.proxy.reload()
    assert len(site.proxy.workers().old) == 1
    site.proxy.set_live("green")
    assert site.proxy.drain("blue", 1).left == 1
    assert held.finish()["host"].startswith("blue-")
    assert site.proxy.drain("blue", 60).left == 0


def test_a_connection_that_outlives_a_reload_follows_a_swap(site: Site) -> None:
    request = f"GET {SCRIPT_PATH} HTTP/1.1\r\nHost: shop\r\n\r\n".encode()
    with socket.create_connection((site.address, 8080), timeout=60) as connection:
        connection.sendall(request)
        _, _, body = read_answer(connection)
        assert json.loads(body)["host"].startswith("blue-")
        site.proxy.reload()
        site.proxy.set_live("green")
        connection.sendall(request)
        status, headers, body = read_answer(connection)
        assert status == 200
        assert json.loads(body)["host"].startswith("green-")
        # It is ended by an answer, never while a request may be on its way.
        assert headers["connection"] == "close"


def test_a_refused_configuration_changes_nothing(site: Site) -> None:
    before = site.proxy.workers()
    with pytest.raises(ProxyError) as caught:
        site.configure(listeners=(Listener(8080), Listener(8443, certificate="missing")))
    assert caught.value.where.startswith("haproxy.cfg:")
    assert "/run/secrets/missing" in caught.value.message
    assert site.proxy.workers() == before
    site.proxy.check_config()


def test_a_restart_serves_what_was_served_before(site: Site) -> None:
    site.proxy.set_live("green")
    site.proxy.set_mode("maintenance")
    versions = site.proxy.versions()
    assert site.container is not None
    site.container.restart(timeout=60)
    site.wait_answering()
    assert site.proxy.mode() == "maintenance"
    assert get(site, "/").status_code == 503
    site.proxy.set_mode("open")
    assert site.proxy.live() == "green"
    assert site.proxy.versions() == versions != {}
    assert served_by(site) == "green"


def refuses(site: Site) -> bool:
    try:
        socket.create_connection((site.address, 8080), timeout=60).close()
    except ConnectionRefusedError:
        return True
    return False


def test_a_stop_lets_requests_finish(site: Site) -> None:
    held = Held(site, "stop")
    site.wait(lambda: site.proxy.connections("blue") == 1, "the request is counted")
    assert site.container is not None
    site.container.kill("SIGUSR1")
    site.wait(lambda: refuses(site), "it listens no more")
    assert held.finish()["sent"] == 10
    assert site.container.wait(timeout=60)["StatusCode"] == 0
    site.container.start()
    site.wait_answering()


# -- maintenance ------------------------------------------------------------------------------


def from_inside(site: Site, path: str) -> str:
    """What the proxy's own container, 127.0.0.1, is answered."""
    script = (
        f"exec 3<>/dev/tcp/127.0.0.1/8080; printf 'GET {path} HTTP/1.1\\r\\nHost: shop\\r\\n"
        "Connection: close\\r\\n\\r\\n' >&3; cat <&3"
    )
    return site.run(["bash", "-c", script]).stdout


def test_maintenance_lets_allowed_addresses_pass_alone(site: Site) -> None:
    site.configure(allowed=(IPv4Network("127.0.0.1/32"),))
    site.proxy.set_mode("maintenance")
    for answer in (get(site, "/"), requests.post(f"{site.url}{SCRIPT_PATH}?id=closed", timeout=30)):
        assert answer.status_code == 503
        assert answer.headers["Retry-After"] == "77"
        assert answer.headers["Cache-Control"] == "no-store"
        assert answer.headers["Content-Type"] == "text/html; charset=utf-8"
        assert answer.text == PAGE
    assert from_inside(site, "/").startswith("HTTP/1.1 200 OK")
    assert "closed" not in site.done()
    site.proxy.set_mode("open")
    assert get(site, "/").status_code == 200


def test_without_a_live_slot_the_page_is_shown_at_once(site: Site) -> None:
    site.proxy.set_live(None)
    answer = get(site, "/")
    assert (answer.status_code, answer.headers["Retry-After"], answer.text) == (503, "5", PAGE)


def test_without_a_healthy_container_the_page_is_shown(site: Site) -> None:
    for index in (1, 2):
        site.webs[f"blue-{index}"].kill()
    site.wait(lambda: not any(one.up for one in site.proxy.servers("blue")), "both are down")
    before = site.proxy.traffic("blue")
    answer = get(site, "/")
    assert (answer.status_code, answer.headers["Retry-After"], answer.text) == (503, "5", PAGE)
    spent = site.proxy.traffic("blue").since(before)
    assert (spent.requests, spent.errors) == (1, 1)


# -- static content ---------------------------------------------------------------------------


def version_file(site: Site, version: str) -> requests.Response:
    return get(site, f"/static/version{version}/deployed_version.txt")


def test_each_version_comes_from_the_release_that_has_it(site: Site) -> None:
    for live in ("blue", "green"):
        site.proxy.set_live(live)
        for version in site.versions.values():
            answer = version_file(site, version)
            assert (answer.status_code, answer.text) == (200, version)
    assert version_file(site, "999").status_code == 404


def test_a_version_that_is_not_listed_is_never_the_other_ones_bytes(site: Site) -> None:
    site.proxy.set_versions({})
    answers = [version_file(site, site.versions[slot]) for slot in ("blue", "green")]
    assert [answer.status_code for answer in answers] == [200, 404]
    # Nor where a map leads to the wrong release.
    site.proxy.set_versions({site.versions["blue"]: "be_green"})
    assert version_file(site, site.versions["blue"]).status_code == 404


@pytest.mark.parametrize("climb", ["..", "%2e%2e", ".%2E"])
def test_no_path_leads_through_a_version_into_an_old_release(site: Site, climb: str) -> None:
    path = f"/static/version{site.versions['green']}/{climb}/{climb}{SCRIPT_PATH}"
    request = f"GET {path} HTTP/1.1\r\nHost: shop\r\n\r\n"
    with socket.create_connection((site.address, 8080), timeout=60) as connection:
        connection.sendall(request.encode())
        _, _, body = read_answer(connection)
    assert json.loads(body)["host"].startswith("blue-")


# -- failing containers -----------------------------------------------------------------------


def post(site: Site, answered: list[str], stop: threading.Event) -> None:
    """POST until told to stop; notes what was acknowledged."""
    while not stop.is_set():
        request = str(uuid.uuid4())
        try:
            answer = requests.post(
                f"{site.url}{SCRIPT_PATH}?id={request}&ms=200", data=b"x" * 100, timeout=60
            )
        except requests.RequestException:
            continue
        if answer.status_code == 200:
            answered.append(request)


def test_a_container_that_is_killed_costs_no_reading_request_and_no_post_is_done_twice(
    site: Site,
) -> None:
    before = site.proxy.traffic("blue")
    answered: list[str] = []
    stop = threading.Event()
    posting = [lambda: post(site, answered, stop)] * 8
    with threads(*posting), start_load(load(site, keepalive_clients=3, new_clients=3)) as running:
        try:
            more(running, 300)
            # In the middle of requests: all POSTs take their time.
            site.webs["blue-1"].kill()
            more(running, 600)
            site.webs["blue-1"].start()
            site.proxy.wait_up("blue", 2, 60)
            more(running, 300)
        finally:
            stop.set()
        result = running.stop()
    assert result.first_failures == []
    done = collections.Counter(site.done())
    assert answered
    assert [request for request in answered if done[request] != 1] == []
    assert [request for request, times in done.items() if times > 1] == []
    spent = site.proxy.traffic("blue").since(before)
    assert spent.requests > 1200
    assert spent.retries + spent.redispatches > 0


def test_a_container_that_is_started_again_keeps_its_address(site: Site) -> None:
    before = [one.address for one in site.proxy.servers("blue")]
    site.webs["blue-2"].stop(timeout=60)
    site.wait(lambda: not site.proxy.servers("blue")[1].up, "it is seen to be down")
    assert get(site, "/").status_code == 200
    site.webs["blue-2"].start()
    after = site.proxy.wait_up("blue", 2, 60)
    assert [one.address for one in after] == before
    site.webs["blue-2"].reload()
    networks = site.webs["blue-2"].attrs["NetworkSettings"]["Networks"]
    assert networks[site.name]["IPAddress"] == before[1].partition(":")[0]


def test_a_busy_container_is_not_taken_out(site: Site) -> None:
    """php-fpm's own check waits while all its processes work: no reason to stop a slot."""
    working = [lambda: get(site, f"{SCRIPT_PATH}?ms=8000")] * 80
    with threads(*working):
        site.wait(lambda: site.proxy.connections("blue") == 80, "all are working")
        assert all(one.up for one in site.proxy.servers("blue"))
        site.wait(lambda: site.proxy.connections("blue") == 0, "all have ended")
        assert all(one.up for one in site.proxy.servers("blue"))


def test_the_slot_that_is_not_live_gets_no_request(site: Site) -> None:
    before = site.proxy.traffic("green")
    for _ in range(50):
        assert get(site, "/").status_code == 200
    assert site.proxy.traffic("green").since(before).requests == 0


# -- requests as they arrive ------------------------------------------------------------------


def received(site: Site, headers: dict[str, str]) -> dict[str, str]:
    found: dict[str, str] = get(site, SCRIPT_PATH, headers=headers).json()["headers"]
    return found


def test_clients_cannot_say_who_they_are(site: Site) -> None:
    found = received(
        site,
        {
            "X-Forwarded-For": "203.0.113.7",
            "X_Forwarded_For": "203.0.113.8",
            "X-Forwarded-Proto": "https",
            "X-Forwarded-Host": "evil.example",
            "X-Real-IP": "203.0.113.9",
            "Forwarded": "for=203.0.113.9",
            "Proxy": "http://evil.example",
            "X-Request-Id": "mine",
        },
    )
    assert found["HTTP_X_FORWARDED_FOR"] == site.gateway
    assert found["HTTP_X_FORWARDED_PROTO"] == "http"
    assert uuid.UUID(found["HTTP_X_REQUEST_ID"])
    gone = {"HTTP_X_FORWARDED_HOST", "HTTP_X_REAL_IP", "HTTP_FORWARDED", "HTTP_PROXY"}
    assert gone.isdisjoint(found)


def test_a_trusted_proxy_says_who_the_client_is(site: Site) -> None:
    allowed = (IPv4Network("203.0.113.7/32"),)
    others = [IPv4Network(f"172.30.{i}.0/24") for i in range(100)]
    site.configure(trusted=(*others, IPv4Network(f"{site.gateway}/32")), allowed=allowed)
    said = {"X-Forwarded-For": "198.51.100.1, 203.0.113.7", "X-Forwarded-Proto": "https"}
    found = received(site, said)
    assert found["HTTP_X_FORWARDED_FOR"] == f"198.51.100.1, 203.0.113.7, {site.gateway}"
    assert found["HTTP_X_FORWARDED_PROTO"] == "https"
    site.proxy.set_mode("maintenance")
    # Who was allowed is the client, as the trusted proxy has seen it.
    assert get(site, "/", headers=said).status_code == 200
    assert (
        get(site, "/", headers={"X-Forwarded-For": "203.0.113.7, 198.51.100.1"}).status_code == 503
    )
    assert get(site, "/").status_code == 503


@pytest.mark.parametrize(
    "lines",
    [
        "Content-Length: 5\r\nContent-Length: 6",
        "Content-Length: 5\r\nTransfer-Encoding: chunked, identity",
        "Content-Length: -5",
        "Content-Length : 5",
        "Transfer-Encoding: \x0bchunked",
    ],
)
def test_requests_that_could_be_read_in_two_ways_are_refused(site: Site, lines: str) -> None:
    with socket.create_connection((site.address, 8080), timeout=60) as connection:
        head = f"POST {SCRIPT_PATH}?id=smuggled HTTP/1.1\r\nHost: shop\r\n{lines}\r\n\r\n"
        connection.sendall(f"{head}hello".encode())
        status, _, _ = read_answer(connection)
    assert status in (400, 422, 501)
    assert "smuggled" not in site.done()


def test_the_log_has_no_query(site: Site) -> None:
    get(site, f"{SCRIPT_PATH}?token=geheim-123")
    site.wait(lambda: f'"GET" "{SCRIPT_PATH}" HTTP/1.1' in site.logs(), "the request is logged")
    assert "geheim-123" not in site.logs()


def test_https_is_spoken_with_the_shops_certificate(site: Site) -> None:
    path = site.folder / "secrets" / "shop-certificate"
    argv = ["openssl", "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-subj", "/CN=shop"]
    argv += ["-addext", f"subjectAltName=IP:{site.address}"]
    argv += ["-keyout", f"{path}.key", "-out", f"{path}.crt"]
    subprocess.run(argv, check=True, capture_output=True)
    path.write_text(Path(f"{path}.crt").read_text() + Path(f"{path}.key").read_text())
    path.chmod(0o400)
    os.chown(path, PROXY_UID, PROXY_UID)
    site.configure(listeners=(Listener(8080), Listener(8443, certificate="shop-certificate")))
    address = f"https://{site.address}:8443{SCRIPT_PATH}"
    answer = requests.get(address, verify=f"{path}.crt", timeout=30)
    assert answer.json()["headers"]["HTTP_X_FORWARDED_PROTO"] == "https"
