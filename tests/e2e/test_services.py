"""The proxy and services of a system that serves: changed only when told to; HTTPS; Varnish."""

import ssl
import subprocess
from collections.abc import Iterator
from pathlib import Path

import docker
import pytest
import requests
import yaml

from tests.conftest import Kiln
from tests.containers import Container, run_container
from tests.e2e.systems import (
    Images,
    System,
    assert_unharmed,
    free_port,
    run_system,
    under_load,
)

# In the place of Varnish: it tells what it is asked.
VARNISH = r"""
$server = stream_socket_server('tcp://0.0.0.0:8080');
while ($client = stream_socket_accept($server, -1)) {
    $head = '';
    while (trim($line = (string) fgets($client)) !== '') {
        $head .= $line;
    }
    preg_match('~^X-Magento-Tags-Pattern: (.*?)\r~m', $head, $tags);
    echo 'asked ', strtok($head, ' '), ' ', $tags[1] ?? '', "\n";
    fwrite($client, "HTTP/1.1 200 Purged\r\nContent-Length: 0\r\n\r\n");
    fclose($client);
}
"""


def make_certificate(folder: Path, name: str) -> str:
    """A PEM file's text: certificate and key, for 127.0.0.1."""
    argv = ["openssl", "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-subj", f"/CN={name}"]
    argv += ["-addext", "subjectAltName=IP:127.0.0.1"]
    argv += ["-keyout", str(folder / "key"), "-out", str(folder / "crt")]
    subprocess.run(argv, check=True, capture_output=True)
    return (folder / "crt").read_text() + (folder / "key").read_text()


@pytest.fixture(scope="module")
def secure(
    kiln: Kiln,
    engine: docker.DockerClient,
    images: Images,
    tmp_path_factory: pytest.TempPathFactory,
) -> Iterator[System]:
    """Serves the first image, without HTTPS yet; its Varnish is not there."""
    with run_system(kiln, engine, images, tmp_path_factory.mktemp("secure")) as made:
        path = made.tree / "environments" / f"{made.name}.yaml"
        file = yaml.safe_load(path.read_text())
        file["services"]["varnish"] = [{"host": "varnish", "port": 8080}]
        path.write_text(yaml.safe_dump(file))
        made.done("deploy", made.name, images.first)
        yield made


@pytest.fixture(scope="module")
def port() -> int:
    return free_port()


def services(system: System) -> dict[str, str]:
    """Ids of the containers that belong to no release."""
    found = system.containers()
    return {str(one.name): str(one.id) for one in found if "io.kiln.release" not in one.labels}


def served_certificate(port: int) -> str:
    return ssl.get_server_certificate(("127.0.0.1", port)).strip()


def test_a_service_that_is_to_be_another_runs_on_until_it_may_start_anew(
    secure: System, images: Images, port: int, tmp_path: Path
) -> None:
    pem = make_certificate(tmp_path, "first")
    (secure.source / "tls-certificate").write_text(pem)
    secure.change(
        https={"listen": f"127.0.0.1:{port}", "certificate": {"secret": "tls-certificate"}},
        maintenance={"retry_after": 9},
    )
    before = services(secure)
    ended, result = under_load(secure, lambda: secure.deploy(images.second))
    assert ended.code == 0, ended.err
    assert_unharmed(secure, result)
    assert "as they run stay: proxy" in ended.err
    # What a running proxy can be told, it is told.
    assert "Retry-After 9" in (secure.state_folder / "proxy" / "haproxy.cfg").read_text()
    assert services(secure) == before

    planned = secure.done("plan", secure.name, images.first, "--restart-services")
    assert "THE SHOP IS INTERRUPTED while these start anew: proxy" in planned.out
    secure.done("deploy", secure.name, images.first, "--restart-services")
    after = services(secure)
    changed = {name for name, one in before.items() if after[name] != one}
    assert changed == {f"{secure.stack}-proxy"}
    address = f"https://127.0.0.1:{port}/"
    assert requests.get(address, verify=str(tmp_path / "crt"), timeout=30).status_code == 200


def test_the_certificates_key_is_the_proxys_alone(secure: System) -> None:
    (web, *_) = secure.containers(role="web")
    code, names = Container(web, "").run("ls", "/run/secrets")
    assert (code, sorted(names.split())) == (0, ["crypt-key", "db-password"])
    folder = secure.source.parent / secure.stack / "proxy"
    (file,) = folder.iterdir()
    for path, mode in ((folder, 0o500), (file, 0o400)):
        found = path.stat()
        assert (found.st_uid, found.st_gid, found.st_mode & 0o777) == (200, 200, mode)


def test_a_renewed_certificate_is_served_without_a_failed_request(
    secure: System, port: int, tmp_path: Path
) -> None:
    old = served_certificate(port)
    pem = make_certificate(tmp_path, "second")
    rotate = ("secrets", "rotate", secure.name, "tls-certificate", "--from-stdin")
    ended, result = under_load(secure, lambda: secure(*rotate, stdin=pem))
    assert ended.code == 0, ended.err
    assert_unharmed(secure, result)
    assert old != served_certificate(port) == (tmp_path / "crt").read_text().strip()


def test_a_certificate_that_is_none_is_refused_and_the_old_one_served(
    secure: System, port: int
) -> None:
    old = served_certificate(port)
    ended = secure(
        "secrets", "rotate", secure.name, "tls-certificate", "--from-stdin", stdin="no certificate"
    )
    assert ended.code == 26, ended.err
    assert "no certificate" not in ended.out + ended.err
    assert served_certificate(port) == old
    # It would come up with the old one again.
    code, said = secure.container("proxy").run("haproxy", "-c", "-f", "/proxy/haproxy.cfg")
    assert code == 0, said


def test_varnish_forgets_old_pages_after_a_swap_and_on_the_way_back(
    secure: System, images: Images, engine: docker.DockerClient, tmp_path: Path
) -> None:
    (secure.source / "tls-certificate").write_text(make_certificate(tmp_path, "third"))
    ended = secure.done("deploy", secure.name, images.second)
    assert "Varnish at varnish:8080 does not purge (no answer)" in ended.err
    with run_container(
        engine,
        images.first,
        *("-n", "-r", VARNISH),
        entrypoint="php",
        network=secure.stack,
        networking_config={secure.stack: docker.types.EndpointConfig("1.44", aliases=["varnish"])},
    ) as varnish:
        secure.done("deploy", secure.name, images.first)
        assert varnish.engine.logs().decode().count("asked PURGE .*") == 2
        hooks = secure.tree / "hooks"
        hooks.mkdir()
        (hooks / "after-watch").write_text("#!/bin/sh\nexit 1\n")
        (hooks / "after-watch").chmod(0o755)
        assert secure.deploy(images.second).code == 21
        # One after the swap; two on the way back.
        assert varnish.engine.logs().decode().count("asked PURGE .*") == 5
