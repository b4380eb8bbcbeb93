"""A staging or production of the sample shop, deployed by the real `kiln` on the real engine."""

import contextlib
import hashlib
import io
import json
import os
import secrets
import shutil
import socket
import subprocess
import tarfile
import tempfile
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import docker
import requests
import yaml
from docker.models.containers import Container as EngineContainer

from builder.build.layout import read_layout
from builder.registry.client import Registry
from builder.registry.reference import ImageReference
from tests.conftest import ROOT, Ended, Kiln, copy_store
from tests.containers import Container
from tests.hosts import Host
from tests.load.count import ADDITIONS, Sql, count_writes, sql_in
from tests.load.plan import LoadPlan
from tests.load.process import start_load
from tests.load.result import LoadResult, merge_results

# Short enough for a test, long enough for a machine with other things to do.
# So many requests before and after what is tested; a person runs more with benchmarks/.
CALM = 300
TIMEOUTS = {"watch": 2, "stable": 2, "boot": 120, "drain": 60, "request": 30, "work": 60}


# Each process of tests its own: a release prunes images, which another may just be using.
RELEASED = f"kiln-test-release-{os.getpid()}"


def free_port() -> int:
    """A port of 127.0.0.1 that nobody listens on just now."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


@dataclass(frozen=True)
class Images:
    """Images of the sample shop, in the registry, by digest.

    Attributes:
        first, second: differ in a page template, and so in the content version.
        unhealthy: never becomes healthy.
        crashing: ends by itself five seconds after it has begun to serve.
        failing: healthy, and its pages answer 500.
    """

    tree: Path
    first: str
    second: str
    unhealthy: str
    crashing: str
    failing: str


def build_images(kiln: Kiln, folder: Path) -> Images:
    """Build and push two releases, and three that are no good."""
    tree = copy_store(folder / "shop", name=RELEASED, php={"extensions": ["redis"]})
    first = build_image(kiln, tree)
    page = tree / "app/code/Kiln/Sample/view/frontend/templates/home.phtml"
    page.write_text(page.read_text() + "<p>second release</p>\n")
    second = build_image(kiln, tree)
    return Images(
        tree=tree,
        first=first,
        second=second,
        unhealthy=derive_image(second, {"usr/local/bin/kiln-health": "#!/bin/sh\nexit 1\n"}),
        crashing=derive_image(
            second,
            {
                "usr/local/bin/kiln-crash": "#!/bin/sh\n"
                '[ "$1" = web ] || exec kiln-entrypoint "$@"\n'
                "kiln-entrypoint web & sleep 5; echo fatal: out of luck; exit 70\n"
            },
            'ENTRYPOINT ["kiln-crash"]',
        ),
        failing=derive_image(
            second, {"app/pub/index.php": "<?php http_response_code(500); echo 'broken';\n"}
        ),
    )


def build_image(kiln: Kiln, tree: Path) -> str:
    """Build and push a tree; the image by digest."""
    ended = kiln("build", "--push", "--output", "json", cwd=tree)
    assert ended.code == 0, ended.err
    return str(ended.json()["image"])


def derive_image(image: str, files: dict[str, str], instruction: str = "") -> str:
    """An image with other files, as a mistake in a shop's code would give one; by digest."""
    text = f"FROM {image}\nCOPY --chmod=755 files/ /\n{instruction}\n"
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w") as tar:
        contents = {f"files/{path}": content for path, content in files.items()}
        for path, content in {"Dockerfile": text, **contents}.items():
            entry = tarfile.TarInfo(path)
            entry.size, entry.mode = len(content.encode()), 0o755
            tar.addfile(entry, io.BytesIO(content.encode()))
    # By Kiln's own way: the engine's push makes an image of zstd layers that no engine can pull.
    with tempfile.TemporaryDirectory(prefix="kiln-test-") as name:
        layout = Path(name) / "image"
        argv = ["docker", "buildx", "build", "--provenance=false"]
        argv += ["--output", f"type=oci,tar=false,dest={layout}", "-"]
        done = subprocess.run(
            argv, input=buffer.getvalue(), capture_output=True, timeout=600, check=False
        )
        assert done.returncode == 0, done.stderr.decode()
        reference = ImageReference.parse(image.partition("@")[0])
        pushed = Registry().push_image(layout, read_layout(layout), reference)
    return f"{reference}@{pushed.digest}"


@dataclass
class System:
    """One system, with everything of it on this machine or on one host.

    Attributes:
        name: of the environment.
        stack: the name that all of its containers begin with.
        port: of the proxy.
        host: where it is; None for this machine.
        printed: all that its kilns have printed.
    """

    kiln: Kiln
    engine: docker.DockerClient
    tree: Path
    name: str
    stack: str
    port: int
    folder: Path
    source: Path
    host: Host | None = None
    printed: list[str] = field(default_factory=list)

    # -- kiln -------------------------------------------------------------------------------

    def environment(self) -> dict[str, str]:
        return self.kiln.environment(
            PYTHONPATH=str(ROOT), KILN_STATE=str(self.folder / "kiln-state")
        )

    def __call__(self, *arguments: str, stdin: str = "", timeout: float = 600) -> Ended:
        done = subprocess.run(
            self.kiln.argv(*arguments),
            cwd=self.tree,
            env=self.environment(),
            input=stdin,
            capture_output=True,
            text=True,
            timeout=timeout,
            check=False,
        )
        self.printed += [done.stdout, done.stderr]
        return Ended(done.returncode, done.stdout, done.stderr)

    def done(self, *arguments: str, stdin: str = "") -> Ended:
        """Run a command that must succeed."""
        ended = self(*arguments, stdin=stdin)
        assert ended.code == 0, ended.err + ended.out
        return ended

    def start(self, *arguments: str) -> "subprocess.Popen[str]":
        """Start a command, to be killed or waited for."""
        return subprocess.Popen(
            self.kiln.argv(*arguments),
            cwd=self.tree,
            env=self.environment(),
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            start_new_session=True,
        )

    def deploy(self, image: str, *options: str) -> Ended:
        return self("deploy", self.name, image, *options)

    # -- what visitors and the engine see -----------------------------------------------------

    @property
    def address(self) -> str:
        return self.host.address if self.host else "127.0.0.1"

    @property
    def url(self) -> str:
        return f"http://{self.address}:{self.port}"

    def get(self, path: str = "/", **options: Any) -> requests.Response:
        return requests.get(f"{self.url}{path}", timeout=30, allow_redirects=False, **options)

    def load(self, **changes: Any) -> LoadPlan:
        """Bounded load on the proxy; a machine with two cores answers so many."""
        settings: dict[str, Any] = {
            "requests": 100_000,
            "seconds": 600,
            "keepalive_clients": 6,
            "new_clients": 3,
            "timeout_s": 30,
            **changes,
        }
        return LoadPlan(self.address, self.port, **settings)

    def loads(self, **changes: Any) -> list[LoadPlan]:
        """Load on every proxy that there is."""
        return [self.load(**changes)]

    def containers(self, **labels: str) -> list[EngineContainer]:
        """By the labels `release` and `role`."""
        wanted = [f"io.kiln.stack={self.stack}"]
        wanted += [f"io.kiln.{key}={value}" for key, value in labels.items()]
        found = self.engine.containers.list(all=True, filters={"label": wanted})
        return sorted(found, key=lambda one: str(one.name))

    def names(self, **labels: str) -> list[str]:
        """The containers' names without the stack's."""
        return [str(one.name).removeprefix(f"{self.stack}-") for one in self.containers(**labels)]

    def container(self, role: str) -> Container:
        (found,) = self.containers(role=role)
        return Container(found, "")

    @property
    def sql(self) -> Sql:
        return sql_in(self.container("database"))

    @property
    def state_folder(self) -> Path:
        root = self.host.root if self.host else Path("/")
        return root / str(self.folder / "state" / self.stack).lstrip("/")

    @property
    def current(self) -> int:
        return int((self.state_folder / "current").read_text())

    @property
    def locked(self) -> bool:
        return (self.state_folder / "lease").exists()

    @property
    def live_image(self) -> str:
        """The image of the release that is recorded as the live one."""
        file = self.state_folder / "releases" / str(self.current) / "release.json"
        return str(json.loads(file.read_text())["image"])

    @property
    def leftovers(self) -> list[str]:
        """What a killed kiln has left of its state."""
        return [one.name for one in (self.state_folder / "incoming").iterdir()]

    @property
    def releases(self) -> list[int]:
        """The numbers of those that are recorded."""
        return sorted(int(one.name) for one in (self.state_folder / "releases").glob("[0-9]*"))

    def journal(self, number: int) -> list[dict[str, Any]]:
        """The lines of a release's journal."""
        text = (self.state_folder / "releases" / str(number) / "journal.jsonl").read_text()
        return [json.loads(line) for line in text.splitlines()]

    def remove(self) -> None:
        """Remove all that it has on the engine."""
        for container in self.containers():
            container.remove(force=True, v=True)
        for volume in self.engine.volumes.list():
            if str(volume.name).startswith(f"{self.stack}-"):
                volume.remove(force=True)
        for network in self.engine.networks.list(names=[self.stack]):
            network.remove()

    # -- its file -----------------------------------------------------------------------------

    def change(self, **deploy: Any) -> None:
        """Merge settings into `deploy` of its file."""
        path = self.tree / "environments" / f"{self.name}.yaml"
        file = yaml.safe_load(path.read_text())
        file["deploy"] = {**file["deploy"], **deploy}
        path.write_text(yaml.safe_dump(file))


@contextlib.contextmanager
def run_system(
    kiln: Kiln,
    engine: docker.DockerClient,
    images: Images,
    folder: Path,
    name: str = "production",
    services: Sequence[str] = ("database", "cache"),
    settings: Mapping[str, Any] = {},
    on: Host | None = None,
    **deploy: Any,
) -> Iterator[System]:
    """A system that is not deployed yet; all of it is removed in the end.

    Args:
        kiln, engine, images: of the session.
        folder: an empty one, for its tree and state.
        name: of its environment.
        services: those that Kiln runs.
        settings: Magento's, by path.
        on: the host for it, with the tests' own engine; this machine if None.
        **deploy: as in its environment's `deploy`.
    """
    tree = folder / "shop"
    shutil.copytree(images.tree, tree, symlinks=True)
    shop = f"kiln-test-{secrets.token_hex(4)}"
    project = yaml.safe_load((tree / "kiln.yaml").read_text())
    # Another name, so that systems side by side are apart; the images are the first shop's.
    (tree / "kiln.yaml").write_text(yaml.safe_dump({**project, "name": shop}))
    with run_environment(kiln, engine, tree, name, services, settings, on, **deploy) as system:
        yield system


@contextlib.contextmanager
def run_environment(
    kiln: Kiln,
    engine: docker.DockerClient,
    tree: Path,
    name: str,
    services: Sequence[str] = ("database", "cache"),
    settings: Mapping[str, Any] = {},
    on: Host | None = None,
    make: Callable[..., System] = System,
    port: int = 0,
    **deploy: Any,
) -> Iterator[System]:
    """A system of a tree that may have others, likewise; its state is beside the tree.

    Args:
        make: makes the System.
        port: of the proxy; 0 for one that is free on this machine.
        others: as in `run_system`.
    """
    shop = yaml.safe_load((tree / "kiln.yaml").read_text())["name"]
    memory = Path(tempfile.mkdtemp(prefix="kiln-test-", dir="/dev/shm"))
    source = memory / "source"
    source.mkdir(mode=0o700)
    for secret, value in (
        ("db-password", secrets.token_hex(16)),
        ("crypt-key", secrets.token_hex(16)),
    ):
        (source / secret).write_text(value)
    port = port or free_port()
    system = make(kiln, engine, tree, name, f"{shop}-{name}", port, tree.parent, source, on)
    if on is not None:
        deploy = {"host": on.docker_host, "secrets": "/run/kiln", **deploy}
    _write_environment(system, memory, services, settings, deploy)
    try:
        yield system
    finally:
        system.remove()
        shutil.rmtree(memory, ignore_errors=True)


def _write_environment(
    system: System,
    memory: Path,
    services: Sequence[str],
    settings: Mapping[str, Any],
    deploy: dict[str, Any],
) -> None:
    url = f"{system.url}/"
    spoken: dict[str, Any] = {
        "database": {
            "host": "database",
            "name": "shop",
            "user": "shop",
            "password": {"secret": "db-password"},
        },
        "cache": {"host": "cache", "database": 0},
        "session": {"host": "cache", "database": 2},
    }
    if "queue" in services:
        spoken["queue"] = {
            "host": "queue",
            "user": "shop",
            "password": {"secret": "queue-password"},
        }
        (system.source / "queue-password").write_text(secrets.token_hex(16))
    file = {
        "secrets": {"directory": str(system.source)},
        "crypt_key": {"secret": "crypt-key"},
        "settings": {
            "default": {"web/secure/base_url": url, "web/unsecure/base_url": url, **settings},
        },
        "services": spoken,
        "deploy": {
            "listen": f"{system.address}:{system.port}",
            "subnet": _subnet(system.stack),
            "services": {service: {} for service in services},
            "state": str(system.folder / "state"),
            "secrets": str(memory),
            "timeouts": TIMEOUTS,
            "web": {"replicas": 2, "max_children": 8},
            **deploy,
        },
    }
    folder = system.tree / "environments"
    folder.mkdir(exist_ok=True)
    (folder / f"{system.name}.yaml").write_text(yaml.safe_dump(file))


def _subnet(stack: str) -> str:
    digest = hashlib.sha256(f"{stack}{os.getpid()}".encode()).digest()
    return f"10.{100 + digest[0] % 80}.{digest[1]}.0/24"


def other_image(system: System, images: Images) -> str:
    """Another image than the one that serves."""
    return images.first if "second release" in system.get().text else images.second


def under_load(
    system: System, act: Callable[[], Ended], calm: int = CALM, **changes: Any
) -> tuple[Ended, LoadResult]:
    """Do something while visitors come; what became of both.

    Args:
        system: whose visitors.
        act: what is done.
        calm: requests before and after it.
        **changes: of the load.
    """
    with contextlib.ExitStack() as stack:
        loads = [stack.enter_context(start_load(one)) for one in system.loads(**changes)]
        for load in loads:
            load.wait_done(calm // len(loads))
        ended = act()
        marks = [load.progress.done + calm // len(loads) for load in loads]
        for load, mark in zip(loads, marks, strict=True):
            load.wait_done(mark)
        return ended, merge_results([load.stop() for load in loads])


def assert_unharmed(system: System, result: LoadResult, writes: str = ADDITIONS) -> None:
    """No request has failed, no write is lost or was done twice."""
    assert result.figures().failed == 0, result.summary()
    assert result.replayed == []
    counted = count_writes(system.sql, result, writes)
    assert counted.asked > 0
    assert counted.is_exact, counted


def image_of(system: System) -> str:
    """What the live release's containers run, as they were started."""
    (image,) = {one.attrs["Config"]["Image"] for one in system.containers(role="web")}
    return str(image)


def assert_settled(system: System, image: str) -> None:
    """One release serves, and nothing else is there but what belongs to a settled system."""
    current = system.current
    assert system.live_image == image
    assert system.names(role="web") == [f"r{current}-web-1", f"r{current}-web-2"]
    assert system.names(role="cron") == [f"r{current}-cron"]
    assert system.names(role="job") == []
    assert not system.locked
    assert system.leftovers == []
    assert system.get().status_code == 200
    again = system("resume", system.name)
    assert again.code == 0, again.err


def wait_for_step(system: System, step: str, process: "subprocess.Popen[str]") -> int:
    """Wait until the release of a `kiln` that runs has begun a step; its number."""
    until = time.monotonic() + 180
    while time.monotonic() < until:
        if process.poll() is not None:
            out, err = process.communicate()
            raise AssertionError(f"ended with {process.returncode} before {step}: {err}{out}")
        newest = system.releases[-1]
        try:
            lines = system.journal(newest)
        except (FileNotFoundError, ValueError):
            lines = []
        begun = [line["step"]["do"] for line in lines if line["event"] == "begin"]
        if step in begun and not any(line["event"] in ("done", "undone") for line in lines):
            return newest
        time.sleep(0.1)
    raise AssertionError(f"{step} was never begun")
