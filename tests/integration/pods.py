"""Runs pods of rendered manifests on a container engine, with what a kubelet would give them."""

import contextlib
import os
import time
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import docker
import requests
import yaml
from docker.types import Mount

from tests.containers import Container

Manifest = dict[str, Any]


@dataclass(frozen=True)
class Node:
    """Where pods run.

    Attributes:
        engine: runs containers.
        network: of the pods.
        folder: for their volumes.
        objects: ConfigMaps and others by kind and name.
        secrets: values by Secret and key.
    """

    engine: docker.DockerClient
    network: str
    folder: Path
    objects: Mapping[tuple[str, str], Manifest]
    secrets: Mapping[str, Mapping[str, str]]

    @contextlib.contextmanager
    def run(self, kind: str, name: str) -> Iterator["Pod"]:
        """Start the one container of a workload's pods."""
        spec = self.objects[kind, name]["spec"]
        pod = (spec["jobTemplate"]["spec"] if "jobTemplate" in spec else spec)["template"]["spec"]
        (container,) = pod["containers"]
        user, may = pod["securityContext"], container["securityContext"]
        assert may["allowPrivilegeEscalation"] is False
        volumes = {volume["name"]: volume for volume in pod["volumes"]}
        # A kubelet mounts folders of its own for each pod, also for what is in memory.
        folder = self.folder / f"{kind}-{name}"
        folder.mkdir()
        made = self.engine.containers.create(
            container["image"],
            container["args"],
            detach=True,
            environment={one["name"]: one["value"] for one in container.get("env", [])},
            user=f"{user['runAsUser']}:{user['runAsGroup']}",
            group_add=[user["fsGroup"]],
            read_only=may["readOnlyRootFilesystem"],
            cap_drop=may["capabilities"]["drop"],
            security_opt=["no-new-privileges"],
            mounts=[
                Mount(
                    mount["mountPath"],
                    str(
                        self._fill(folder, volumes[mount["name"]], user["fsGroup"])
                        / mount.get("subPath", "")
                    ),
                    type="bind",
                    read_only=mount.get("readOnly", False),
                )
                for mount in container["volumeMounts"]
            ],
            network=self.network,
            ports=dict.fromkeys(
                [f"{port['containerPort']}/tcp" for port in container.get("ports", [])],
                ("127.0.0.1", None),  # type: ignore[arg-type]
            ),
            # Nothing but the manifest's own probes.
            healthcheck={"test": ["NONE"]},
        )
        try:
            made.start()
            made.reload()
            bound = [ports[0]["HostPort"] for ports in made.ports.values() if ports]
            address = f"127.0.0.1:{bound[0]}" if bound else ""
            yield Pod(Container(made, address), container, pod["terminationGracePeriodSeconds"])
        finally:
            made.remove(force=True, v=True)

    def _fill(self, pod: Path, volume: Manifest, group: int) -> Path:
        # A claim's files outlive a pod.
        folder: Path = (self.folder if "persistentVolumeClaim" in volume else pod) / volume["name"]
        folder.mkdir(exist_ok=True)
        if "configMap" in volume:
            files = self.objects["ConfigMap", volume["configMap"]["name"]]["data"]
            _write(folder, files, 0o644, 0)
        elif "secret" in volume:
            secret = volume["secret"]
            values = self.secrets[secret["secretName"]]
            files = {item["path"]: values[item["key"]] for item in secret["items"]}
            _write(folder, files, secret["defaultMode"], group)
        else:
            os.chown(folder, 0, group)
            folder.chmod(0o2777 if "emptyDir" in volume else 0o2775)
        return folder


def _write(folder: Path, files: Mapping[str, str], mode: int, group: int) -> None:
    folder.chmod(0o755)
    for name, text in files.items():
        path = folder / name
        path.write_text(text)
        os.chown(path, 0, group)
        path.chmod(mode)


@dataclass(frozen=True)
class Pod:
    """A pod's container, running."""

    container: Container
    spec: Manifest
    grace: int

    def wait_ready(self) -> None:
        """Have the startup probe, then the readiness probe succeed, as often as they may fail."""
        startup = self.spec["startupProbe"]
        until = time.monotonic() + startup["periodSeconds"] * startup["failureThreshold"]
        while self.container.run(*startup["exec"]["command"])[0] != 0:
            self._refuse_late(until)
            time.sleep(0.2)
        for probe in ("readinessProbe", "livenessProbe"):
            assert self.container.get(self.spec[probe]["httpGet"]["path"]).status_code == 200

    def wait_listening(self) -> None:
        """Have something answer at the pod's port."""
        until = time.monotonic() + 60
        while True:
            with contextlib.suppress(requests.ConnectionError):
                self.container.get("/")
                return
            self._refuse_late(until)
            time.sleep(0.2)

    def _refuse_late(self, until: float) -> None:
        engine = self.container.engine
        engine.reload()
        late = engine.status != "running" or time.monotonic() > until
        assert not late, engine.logs().decode()

    def end(self) -> int:
        """Tell it to stop; the exit code, which is another where it had to be killed."""
        self.container.engine.stop(timeout=self.grace)
        return int(self.container.engine.wait(timeout=30)["StatusCode"])

    def ended(self) -> tuple[int, str]:
        """Wait until it has ended by itself: exit code and log."""
        code = int(self.container.engine.wait(timeout=120)["StatusCode"])
        return code, self.container.engine.logs().decode()


def read_objects(folder: Path) -> dict[tuple[str, str], Manifest]:
    """The objects in a folder's files."""
    return {
        (document["kind"], document["metadata"]["name"]): document
        for path in sorted(folder.glob("*.yaml"))
        for document in yaml.safe_load_all(path.read_text())
        if document
    }
