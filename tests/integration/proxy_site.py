"""A proxy with real web containers behind it, at the addresses that a release gives them."""

import contextlib
import json
import os
import socket
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field, replace
from ipaddress import IPv4Address, IPv4Network
from pathlib import Path
from typing import Any

import docker
import docker.errors
from docker.models.containers import Container as EngineContainer
from docker.types import EndpointConfig, IPAMConfig, IPAMPool

from builder.build.images import provide_images
from builder.build.progress import Step
from builder.deploy.proxy import Proxy
from builder.plan.proxy import (
    SLOTS,
    Listener,
    ProxyPlan,
    Slot,
    Timeouts,
    assets_address,
    dynamic_range,
    proxy_address,
    web_address,
)
from builder.process import Completed, run
from builder.render.proxy import first_maps, render_proxy_files, render_proxy_image
from tests.containers import Container, run_container

BASE = os.environ.get("PROXY_BASE", "localhost:5000/kiln/base:bookworm")
PAGE = "<!doctype html><title>Back soon</title><p>The shop is back soon."
# In the place of a file that nginx hands to PHP. What was done is counted by a line of /count.
SCRIPT = """<?php
$id = $_GET['id'] ?? '';
if ($id !== '') {
    file_put_contents('/count/log', "$id\\n", FILE_APPEND | LOCK_EX);
}
usleep(1000 * (int) ($_GET['ms'] ?? 0));
header('Content-Type: application/json');
echo json_encode([
    'id' => $id,
    'host' => gethostname(),
    'sent' => strlen(file_get_contents('php://input')),
    'headers' => array_filter(
        $_SERVER,
        static fn (string $name): bool => str_starts_with($name, 'HTTP_'),
        ARRAY_FILTER_USE_KEY
    ),
]);
"""
SCRIPT_PATH = "/health_check.php"
OTHER_VERSION = "424242"


class Quiet:
    """Shows nothing of a build."""

    def phase(self, text: str) -> None: ...

    def step(self, step: Step) -> None: ...

    def sent(self, digest: str, done: int, total: int) -> None: ...


def build_proxy_image(work: Path) -> str:
    """The proxy's image, built as Kiln builds it."""
    image = render_proxy_image(BASE, None)
    provide_images(
        (image,),
        work=work,
        epoch=1577836800,
        builder=None,
        run=run,
        env=dict(os.environ),
        watcher=Quiet(),
    )
    return image.name


@dataclass
class Site:
    """A network with a proxy; web containers are started by the tests.

    Attributes:
        versions: the content version that each slot's containers have.
        plan: what the proxy runs with.
    """

    engine: docker.DockerClient
    name: str
    image: str
    web_image: str
    folder: Path
    versions: dict[Slot, str]
    plan: ProxyPlan
    container: EngineContainer | None = None
    webs: dict[str, EngineContainer] = field(default_factory=dict)
    _stack: contextlib.ExitStack = field(default_factory=contextlib.ExitStack)

    # -- the proxy --------------------------------------------------------------------------

    @property
    def address(self) -> str:
        return str(proxy_address(self.plan.subnet))

    @property
    def url(self) -> str:
        return f"http://{self.address}:8080"

    @property
    def gateway(self) -> str:
        """This host's address in the network."""
        (config,) = self.engine.networks.get(self.name).attrs["IPAM"]["Config"]
        return str(config["Gateway"])

    def write_file(self, name: str, content: bytes) -> None:
        aside = self.folder / "proxy" / f".{name}"
        aside.write_bytes(content)
        aside.chmod(0o644)
        aside.rename(self.folder / "proxy" / name)

    def run(self, argv: Sequence[str]) -> Completed:
        assert self.container is not None
        done: Any = self.container.exec_run(list(argv), demux=True)
        out, err = ((part or b"").decode("utf-8", "replace") for part in done.output)
        return Completed(int(done.exit_code), out, err)

    @property
    def proxy(self) -> Proxy:
        return Proxy(run=self.run, write_file=self.write_file)

    def start_proxy(self, **options: Any) -> None:
        """As the compose file of a stack does."""
        for name, content in {**first_maps(), **render_proxy_files(self.plan)}.items():
            self.write_file(name, content)
        self.container = self.start_container(
            self.image,
            "proxy",
            proxy_address(self.plan.subnet),
            read_only=True,
            cap_drop=["ALL"],
            security_opt=["no-new-privileges"],
            tmpfs={"/run/haproxy": "mode=1777"},
            volumes={
                str(self.folder / "proxy"): {"bind": "/proxy", "mode": "ro"},
                str(self.folder / "secrets"): {"bind": "/run/secrets", "mode": "ro"},
            },
            **options,
        )
        self.wait_answering()

    def wait_answering(self) -> None:
        until = time.monotonic() + 60
        while True:
            with contextlib.suppress(OSError):
                socket.create_connection((self.address, 8080), timeout=5).close()
                return
            assert time.monotonic() < until, self.logs()
            time.sleep(0.1)

    def logs(self) -> str:
        assert self.container is not None
        return str(self.container.logs().decode("utf-8", "replace"))

    def configure(self, **changes: Any) -> bool:
        """Run with another plan."""
        self.plan = replace(self.plan, **changes)
        return self.proxy.configure(render_proxy_files(self.plan))

    # -- behind it --------------------------------------------------------------------------

    def start_container(
        self, image: str, name: str, address: IPv4Address, *command: str, **options: Any
    ) -> EngineContainer:
        container = self.engine.containers.create(
            image,
            list(command) or None,
            name=f"{self.name}-{name}",
            detach=True,
            network=self.name,
            networking_config={self.name: endpoint(address)},
            **options,
        )
        self._stack.callback(remove, container)
        container.start()
        return container

    def start_web(self, slot: Slot, index: int) -> EngineContainer:
        """A replica of a slot."""
        address = web_address(self.plan.subnet, slot, index)
        return self._start_web(slot, f"{slot}-{index}", address)

    def start_assets(self, slot: Slot, k: int) -> EngineContainer:
        """The static content of what is in a slot, as the k-th older release."""
        return self._start_web(slot, f"assets-{k}", assets_address(self.plan.subnet, k))

    def _start_web(self, slot: Slot, name: str, address: IPv4Address) -> EngineContainer:
        binds = {
            self.folder / "script.php": f"/app/pub{SCRIPT_PATH}",
            self.folder / f"{slot}.txt": "/app/pub/static/deployed_version.txt",
            self.folder / f"{slot}.conf": "/etc/nginx/kiln-content-version.conf",
        }
        volumes = {str(path): {"bind": target, "mode": "ro"} for path, target in binds.items()}
        volumes[str(self.folder / "count")] = {"bind": "/count", "mode": "rw"}
        running: Container = self._stack.enter_context(
            run_container(
                self.engine,
                self.web_image,
                "web",
                name=f"{self.name}-{name}",
                hostname=name,
                network=self.name,
                networking_config={self.name: endpoint(address)},
                volumes=volumes,
                environment={"KILN_FPM_MAX_CHILDREN": "32"},
            )
        )
        self.webs[name] = running.engine
        return running.engine

    def fill(self, *slots: Slot) -> None:
        """See that the slots' replicas run and pass the proxy's check."""
        for slot in slots:
            for index in range(1, self.plan.replicas + 1):
                name = f"{slot}-{index}"
                if name not in self.webs:
                    self.start_web(slot, index)
                else:
                    self.webs[name].start()
        for slot in slots:
            self.proxy.wait_up(slot, self.plan.replicas, 60)

    def wait(self, holds: Callable[[], bool], what: str) -> None:
        """Wait until something holds."""
        until = time.monotonic() + 60
        while not holds():
            assert time.monotonic() < until, f"{what}\n{self.logs()[-3000:]}"
            time.sleep(0.1)

    def done(self) -> list[str]:
        """The ids of requests that PHP has begun, in order."""
        log = self.folder / "count" / "log"
        return log.read_text().split() if log.exists() else []

    def close(self) -> None:
        self._stack.close()


def endpoint(address: IPv4Address) -> EndpointConfig:
    return EndpointConfig("1.44", ipv4_address=str(address))


def remove(container: EngineContainer) -> None:
    container.remove(force=True, v=True)


@contextlib.contextmanager
def run_site(
    engine: docker.DockerClient, proxy_image: str, web_image: str, folder: Path
) -> Iterator[Site]:
    """A network, and a proxy that serves nothing yet."""
    name = f"kiln-test-proxy-{os.getpid()}"
    for part in ("proxy", "count", "secrets"):
        (folder / part).mkdir()
        (folder / part).chmod(0o755)
    (folder / "count").chmod(0o1777)
    (folder / "script.php").write_text(SCRIPT)
    versions: dict[Slot, str] = {"blue": "111111", "green": OTHER_VERSION}
    for slot in SLOTS:
        (folder / f"{slot}.txt").write_text(versions[slot])
        text = f'map "" $kiln_content_version {{ default "{versions[slot]}"; }}\n'
        (folder / f"{slot}.conf").write_text(text)
    network = None
    for attempt in range(20):
        subnet = IPv4Network(f"10.{200 + os.getpid() % 50}.{(os.getpid() + attempt) % 250}.0/24")
        gateway = str(subnet.network_address + 1)
        dynamic = str(dynamic_range(subnet))
        pool = IPAMPool(subnet=str(subnet), iprange=dynamic, gateway=gateway)
        try:
            network = engine.networks.create(name, ipam=IPAMConfig(pool_configs=[pool]))
            break
        except docker.errors.APIError as error:
            if "overlap" not in str(error).lower():
                raise
    assert network is not None
    plan = ProxyPlan(
        name=name,
        subnet=subnet,
        replicas=2,
        assets=2,
        listeners=(Listener(8080),),
        allowed=(),
        trusted=(),
        retry_after=77,
        timeouts=Timeouts(request=30, keep_alive=10, drain=40),
        max_connections=2000,
        page=PAGE,
    )
    site = Site(engine, name, proxy_image, web_image, folder, versions, plan)
    try:
        site.start_proxy()
        yield site
    finally:
        site.close()
        network.remove()


class Held:
    """A POST whose body is not whole yet: it runs until `finish` is called, and no shorter."""

    def __init__(self, site: Site, request: str) -> None:
        self._socket = socket.create_connection((site.address, 8080), timeout=60)
        head = (
            f"POST {SCRIPT_PATH}?id={request} HTTP/1.1\r\nHost: shop\r\nContent-Length: 10\r\n\r\n"
        )
        self._socket.sendall(head.encode() + b"12345")

    def finish(self) -> dict[str, Any]:
        """Send the rest; what was answered."""
        self._socket.sendall(b"67890")
        status, _, body = read_answer(self._socket)
        self._socket.close()
        assert status == 200, body
        answer: dict[str, Any] = json.loads(body)
        return answer


def read_answer(connection: socket.socket) -> tuple[int, dict[str, str], bytes]:
    """Status, headers and body of one answer."""
    received = b""
    while b"\r\n\r\n" not in received:
        part = connection.recv(65536)
        assert part, f"closed after {received!r}"
        received += part
    head, _, body = received.partition(b"\r\n\r\n")
    status, *lines = head.decode().split("\r\n")
    pairs = (line.split(": ", 1) for line in lines)
    headers = {name.lower(): value for name, value in pairs}
    if headers.get("transfer-encoding") == "chunked":
        while not body.endswith(b"0\r\n\r\n"):
            body += connection.recv(65536)
        chunks, rest = b"", body
        while (size := int(rest.partition(b"\r\n")[0], 16)) > 0:
            rest = rest.partition(b"\r\n")[2]
            chunks, rest = chunks + rest[:size], rest[size + 2 :]
        return int(status.split()[1]), headers, chunks
    while len(body) < int(headers.get("content-length", "0")):
        body += connection.recv(65536)
    return int(status.split()[1]), headers, body


@contextlib.contextmanager
def threads(*works: Callable[[], object]) -> Iterator[None]:
    """Run functions beside the block, and wait for their end."""
    running = [threading.Thread(target=work) for work in works]
    for one in running:
        one.start()
    try:
        yield
    finally:
        for one in running:
            one.join()
