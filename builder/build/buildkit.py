"""Drives `docker buildx build`, the only place where anything is built.

docker-py cannot drive BuildKit (docker-py#2230), so the client program does.
"""

import contextlib
import csv
import io
import os
import shutil
import signal
import subprocess
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from builder.build.causes import CACHE_FULL, DISK_FULL, likely_cause
from builder.build.progress import ProgressReader, Step, Trace
from builder.errors import BuildError, DiskFullError
from builder.plan.build import BuildPlan

_SHOWN_LINES = 25
# Magento's vendor/ is a seventh smaller than with the default of 3, for 1.6 s more of a core.
_ZSTD_LEVEL = 7


@dataclass(frozen=True, slots=True)
class BuildRequest:
    """What one run of BuildKit needs.

    Attributes:
        dockerfile: a file with the rendered text.
        context: an empty folder; the inputs are contexts of their own.
        contexts: `oci-layout://…` addresses by name.
        destination: the folder that gets the OCI layout.
        secrets: by name, `src=FILE` or `env=VARIABLE`; never a value.
        content_version: for the image's static content.
        no_cache: run every step.
        builder: name of the buildx builder, or None for the current one.
        cache_from, cache_to: images with BuildKit's cache, to begin with and to leave it at.
    """

    dockerfile: Path
    context: Path
    contexts: Mapping[str, str]
    destination: Path
    secrets: Mapping[str, str]
    content_version: str
    no_cache: bool
    builder: str | None
    cache_from: str | None = None
    cache_to: str | None = None


def buildx_argv(plan: BuildPlan, request: BuildRequest) -> list[str]:
    """The command line that builds a plan. Pure.

    Secrets go as the name of a file or variable, so that no value is in the command line.
    """
    output = _fields(
        "type=oci",
        f"dest={request.destination}",
        "tar=false",
        *compression_options(plan),
        "oci-mediatypes=true",
    )
    # Provenance comes in an index around the image; Kiln takes both apart, since an index's
    # digest would change on every build (buildkit#5894).
    argv = [*_common_argv(plan, request), "--target", "runtime", "--provenance", "mode=max"]
    argv += ["--output", output]
    if request.cache_from:
        argv += ["--cache-from", _fields("type=registry", f"ref={request.cache_from}")]
    if request.cache_to:
        # All stages', not only those of the image. The image is whole without it: no failure.
        kept = ("mode=max", "ignore-error=true", "image-manifest=true", "oci-mediatypes=true")
        target = ("type=registry", f"ref={request.cache_to}", *kept, *compression_options(plan))
        argv += ["--cache-to", _fields(*target)]
    if request.no_cache:
        argv += ["--no-cache"]
    return [*argv, str(request.context)]


def compression_options(plan: BuildPlan) -> tuple[str, ...]:
    """What exporters are told of how layers are compressed. Pure."""
    level = (f"compression-level={_ZSTD_LEVEL}",) if plan.compression == "zstd" else ()
    return (f"compression={plan.compression}", *level)


def packages_argv(plan: BuildPlan, request: BuildRequest, destination: Path) -> list[str]:
    """The command line that writes the versions of what the image holds to a folder. Pure.

    Run after the build, all of it comes from the cache.
    """
    argv = [*_common_argv(plan, request), "--target", "packages", "--provenance", "false"]
    argv += ["--output", _fields("type=local", f"dest={destination}")]
    return [*argv, str(request.context)]


def _common_argv(plan: BuildPlan, request: BuildRequest) -> list[str]:
    argv = ["docker", "buildx", "build"]
    if request.builder:
        argv += ["--builder", request.builder]
    argv += ["--file", str(request.dockerfile)]
    for name, address in sorted(request.contexts.items()):
        argv += ["--build-context", f"{name}={address}"]
    for name, source in sorted(request.secrets.items()):
        argv += ["--secret", _fields(f"id={name}", source)]
    argv += ["--build-arg", f"CONTENT_VERSION={request.content_version}"]
    argv += ["--build-arg", f"SOURCE_DATE_EPOCH={plan.epoch}"]
    return [*argv, "--progress", "rawjson"]


def _fields(*fields: str) -> str:
    # buildx reads these options as CSV: a path with a comma must be quoted.
    text = io.StringIO()
    csv.writer(text, lineterminator="").writerow(fields)
    return text.getvalue()


def run_buildkit(
    argv: Sequence[str], env: Mapping[str, str], on_step: Callable[[Step], None]
) -> Trace:
    """Run a build to its end.

    Args:
        argv: from `buildx_argv`.
        env: the environment of the client program.
        on_step: told of every change of a step.

    Raises:
        BuildError: a step failed, with its last lines and the likely cause.
        DiskFullError: it failed because the disk is full.
        KeyboardInterrupt: passed on after the client has been stopped; BuildKit then cancels.
    """
    reader = ProgressReader()
    # A session of its own: Ctrl-C reaches Kiln alone, which stops the client in its own time.
    client = subprocess.Popen(
        _bound_to_us(argv),
        env=dict(env),
        stdin=subprocess.DEVNULL,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.PIPE,
        text=True,
        encoding="utf-8",
        errors="replace",
        start_new_session=True,
    )
    assert client.stderr is not None
    try:
        for line in client.stderr:
            for step in reader.feed(line):
                on_step(step)
        returncode = client.wait()
    finally:
        _stop(client)
    if returncode != 0:
        raise failure_of(reader.trace, returncode)
    return reader.trace


def _bound_to_us(argv: Sequence[str]) -> list[str]:
    # Killed with -9, Kiln can stop nothing: the kernel then tells the client, which would build
    # on into a folder that the next build uses.
    setpriv = shutil.which("setpriv")
    return [setpriv, "--pdeathsig", "TERM", *argv] if setpriv else list(argv)


def _stop(client: "subprocess.Popen[str]") -> None:
    if client.poll() is not None:
        return
    for sent, patience in ((signal.SIGINT, 10.0), (signal.SIGKILL, 10.0)):
        with contextlib.suppress(ProcessLookupError):
            os.killpg(client.pid, sent)
        try:
            client.wait(patience)
        except subprocess.TimeoutExpired:
            continue
        return


def failure_of(trace: Trace, returncode: int) -> BuildError | DiskFullError:
    """The error that tells a user why a build failed. Pure."""
    step = trace.failed()
    lines = list(step.lines if step else trace.plain)
    if step:
        lines.append(step.error)
    cause = likely_cause([*trace.plain, *lines])
    error = DiskFullError if cause in (CACHE_FULL, DISK_FULL) else BuildError
    shown = [line for line in lines if line.strip()][-_SHOWN_LINES:]
    if step:
        message = f"the step failed: {step.name}"
        where = f"stage {step.stage}"
    else:
        message = f"the build failed: {_last_error(trace, returncode)}"
        where = "docker buildx build"
    if cause:
        message = f"{message}\nlikely cause: {cause.message}"
    return error(message, where=where, hint=cause.hint if cause else "", details=tuple(shown))


def _last_error(trace: Trace, returncode: int) -> str:
    errors = [line for line in trace.plain if line.startswith("ERROR:")]
    return (errors or trace.plain or [f"exit status {returncode}"])[-1].removeprefix("ERROR: ")
