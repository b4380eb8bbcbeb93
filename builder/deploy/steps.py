"""What each step of a release does. Every one can be done again: killed half-way, it is."""

import json
import time
from collections.abc import Sequence
from typing import Literal

import docker.errors
from docker.models.containers import Container

from builder.deploy.database_status import parse_status
from builder.deploy.delivery import deliver_secrets, shop_secrets
from builder.deploy.engine import (
    RELEASE_LABEL,
    ROLE_LABEL,
    engine_errors,
    explain_refusal,
    last_lines,
    run_compose,
    run_in,
    stack_containers,
    stop_containers,
)
from builder.deploy.image_files import read_labels
from builder.deploy.keeper import SECRETS, HostFile
from builder.deploy.prune import Needed, find_garbage, look_around, remove_garbage
from builder.deploy.services import configure_proxy, start_services
from builder.deploy.site import Site
from builder.deploy.state import (
    CURRENT,
    parse_release,
    read_state,
    release_folder,
    save_release,
)
from builder.errors import EngineError, ReleaseError
from builder.plan.release import (
    BootWeb,
    ConfigureProxy,
    DeliverFiles,
    Drain,
    KeepAssets,
    Migrate,
    Prune,
    PullImage,
    PurgeVarnish,
    Record,
    Release,
    RemoveRelease,
    RunBackup,
    SetMaintenance,
    StartServices,
    StartWorkers,
    Step,
    StopWeb,
    StopWorkers,
    Swap,
    WarmUp,
    Watch,
)
from builder.render.production import consumer_service, render_release

Role = Literal["status", "install", "migrate", "import"]

_WORKERS = ("cron", "consumer")
# In a release's folder, once it has found the database empty.
_SEEN_EMPTY = "database-was-empty"
# Below so many requests an error rate says nothing; then any error counts from the third on.
_FEW_REQUESTS = 100
_FEW_ERRORS = 3


def do_step(site: Site, step: Step) -> None:
    """Do one step to its end.

    Raises:
        ReleaseError: it failed, and why.
        EngineError: the engine does not answer, or refuses.
        LockedError: the lease is lost.
        DiskFullError: the host's disk is full.
    """
    match step:
        case PullImage():
            pull_image(site, step)
        case DeliverFiles():
            deliver_files(site, step)
        case StartServices():
            start_services(site, step.restart)
        case ConfigureProxy():
            configure_proxy(site)
        case SetMaintenance():
            site.proxy.set_mode("maintenance" if step.on else "open")
        case RunBackup():
            run_backup(site)
        case Migrate():
            migrate(site, step)
        case BootWeb():
            boot_web(site, step)
        case WarmUp():
            warm_up(site, step)
        case Swap():
            site.proxy.set_versions(step.versions)
            site.proxy.set_live(step.slot)
        case PurgeVarnish():
            purge_varnish(site, step)
        case Watch():
            watch(site, step)
        case Drain():
            drain(site, step)
        case StopWorkers():
            stop_workers(site, step)
        case StartWorkers():
            start_workers(site, step)
        case KeepAssets():
            keep_assets(site, step)
        case StopWeb():
            stop_web(site, step)
        case Record():
            site.keeper.write(site.lease.token, CURRENT, str(step.release))
        case RemoveRelease():
            remove_release(site, step)
        case Prune():
            prune(site, step)


def pull_image(site: Site, step: PullImage) -> None:
    """Have the image on the host, under its digest."""
    with engine_errors(site.engine.name):
        try:
            site.engine.client.images.get(step.image)
        except docker.errors.ImageNotFound:
            site.watcher.detail(step.image)
            # Not images.pull, which does not look at what has gone wrong.
            for line in site.engine.client.api.pull(step.image, stream=True, decode=True):
                if "error" in line:
                    raise explain_refusal(str(line["error"]), step.image) from None


def deliver_files(site: Site, step: DeliverFiles) -> None:
    """Write secrets and the compose file; env.php lies there since the plan was saved."""
    release = load_release(site, step.release)
    token = site.lease.token
    if step.secrets_of is not None:
        source = f"{SECRETS}/{step.secrets_of}"
        if not site.keeper.copy(token, source, f"{SECRETS}/{release.number}"):
            raise ReleaseError(
                f"the secrets of release {step.secrets_of} are not on the host any more",
                where=site.stack.name,
                hint="`kiln rollback --current-secrets` takes those of today",
            )
    else:
        values = shop_secrets(site)
        deliver_secrets(site, str(release.number), values)
        versions = {name: value.version for name, value in values.items()}
        if versions != release.secrets:
            # Changed in their source since the plan was made.
            release = release.model_copy(update={"secrets": versions})
            save_release(site.keeper, token, release)
    text = compose_text(site, release)
    file = {"compose.yaml": HostFile(text.encode())}
    site.keeper.install(token, release_folder(release.number), file)


def run_backup(site: Site) -> None:
    """Run the backup command where kiln runs."""
    backup = site.stack.deploy.backup
    if backup is None:
        return
    try:
        done = site.run(backup.command, env=site.engine.env)
    except OSError as error:
        raise ReleaseError(
            f"the backup command cannot be run: {error}", where="deploy.backup", hint="mend it"
        ) from None
    if done.returncode != 0:
        raise ReleaseError(
            f"the backup command ended with {done.returncode}",
            where="deploy.backup",
            details=tuple((done.stderr or done.stdout).strip().splitlines()[-10:]),
            hint="without a backup nothing is migrated",
        )


def migrate(site: Site, step: Migrate) -> None:
    """Run a role of the image once; a run that a killed kiln began is waited for, not repeated."""
    release = load_release(site, step.release)
    seconds = site.stack.deploy.timeouts.migrate
    role: Role = step.role
    if role == "install":
        role = _install_or_go_on(site, release)
    run_role(site, release, role, seconds)


def _install_or_go_on(site: Site, release: Release) -> Role:
    """Whether to install, or to bring up to date what this release's own installation has left.

    Raises:
        ReleaseError: somebody else has filled the database. It may not have run when the plan was
            made, and the plan took it for empty.
    """
    found = parse_status(run_role(site, release, "status", 300))
    seen_empty = f"{release_folder(release.number)}/{_SEEN_EMPTY}"
    if found.tables == 0 or found.installing:
        site.keeper.write(site.lease.token, seen_empty, "yes")
        return "install"
    if site.keeper.read(seen_empty) is None:
        raise ReleaseError(
            f"the database has {found.tables} tables, and the plan was made for an empty one",
            where=site.stack.name,
            hint="`kiln plan` again: the database runs now, and the plan says what would be done "
            "to it",
        )
    return "migrate"


def run_role(
    site: Site, release: Release, role: Role, seconds: float, *, files: str | None = None
) -> str:
    """Run a role of the image in a container that is thrown away; what it printed.

    Args:
        site: the stack.
        release: whose image and variables.
        role: which.
        seconds: how long at most.
        files: the folder of env.php and secrets, if not the release's own.

    Raises:
        ReleaseError: it ended with an error, or not in time.
    """
    project = f"{site.stack.name}-{files}" if files else site.stack.release_project(release.number)
    name = f"{project}-job-{role}"
    container = _find(site, name)
    if container is None or container.status == "created":
        site.lease.check()
        text = compose_text(site, release, files)
        run_compose(site.engine, project, text, "up", "--detach", "--no-deps", f"job-{role}")
        container = _find(site, name)
    if container is None:
        raise ReleaseError(f"the container for {role} is gone", where=name, hint="run this again")
    code = _wait_exit(site, container, seconds)
    with engine_errors(name):
        printed = container.logs(stderr=False).decode("utf-8", "replace")
        lines = last_lines(container, 30)
        container.remove(force=True, v=True)
    if code != 0:
        raise ReleaseError(
            f"{role} ended with {code}"
            if code is not None
            else f"{role} took over {seconds:.0f} s",
            where=name,
            details=lines,
            hint="its last lines say why",
        )
    return printed


def _wait_exit(site: Site, container: Container, seconds: float) -> int | None:
    until = time.monotonic() + seconds
    said = 0.0
    while time.monotonic() < until:
        with engine_errors(str(container.name)):
            container.reload()
        if container.status in ("exited", "dead"):
            return int(container.attrs["State"]["ExitCode"])
        if time.monotonic() - said > 5:
            said = time.monotonic()
            for line in last_lines(container, 1):
                site.watcher.detail(line[:120])
        time.sleep(0.3)
    return None


def boot_web(site: Site, step: BootWeb) -> None:
    """Start the web containers, and see that they are healthy and stay it."""
    release = load_release(site, step.release)
    services = [f"web-{index}" for index in range(1, release.replicas + 1)]
    # One that serves already may have crashed at some time.
    crashes = {one.id: _crashes(one) for one in _webs(site, step.release)}
    _start(site, release, *services)
    timeouts = site.stack.deploy.timeouts
    until = time.monotonic() + timeouts.boot
    stable_since: float | None = None
    while True:
        webs = _webs(site, step.release)
        for container in webs:
            _refuse_failed(container, crashes.get(container.id, 0))
        healthy = sum(_health(one) == "healthy" for one in webs)
        if healthy == release.replicas:
            stable_since = stable_since or time.monotonic()
            if time.monotonic() - stable_since >= timeouts.stable:
                break
        else:
            stable_since = None
        if time.monotonic() > until:
            late = next((one for one in webs if _health(one) != "healthy"), None)
            raise ReleaseError(
                f"{healthy} of {release.replicas} web containers are healthy after "
                f"{timeouts.boot} s",
                where=str(late.name) if late else f"release {release.number}",
                details=last_lines(late) if late else (),
                hint="see what it says; deploy.timeouts.boot is how long is waited",
            )
        time.sleep(0.3)
    left = max(5.0, until - time.monotonic())
    site.proxy.wait_up(step.slot, release.replicas, left)


def _start(site: Site, release: Release, *services: str) -> None:
    """Start containers of a release.

    Those that are there already stay as they are: other settings in the environment's file, or
    another version of Kiln, are for the next release and no reason to stop what serves.
    """
    site.lease.check()
    run_compose(
        site.engine,
        site.stack.release_project(release.number),
        compose_text(site, release),
        *("up", "--detach", "--no-deps", "--no-recreate", *services),
    )


def start_again(site: Site, release: Release) -> None:
    """Start what a release has on the host and does not run, but for workers and jobs."""
    for container in stack_containers(site.engine, site.stack.name, release=str(release.number)):
        if container.labels.get(ROLE_LABEL) in ("web", "assets") and container.status != "running":
            with engine_errors(str(container.name)):
                container.start()


def _webs(site: Site, number: int) -> list[Container]:
    return stack_containers(site.engine, site.stack.name, release=str(number), role="web")


def _crashes(container: Container) -> int:
    return int(container.attrs.get("RestartCount", 0))


def _refuse_failed(container: Container, crashes: int) -> None:
    state = container.attrs["State"]
    if state["Status"] in ("exited", "dead", "restarting") or _crashes(container) > crashes:
        raise ReleaseError(
            f"ended with {state.get('ExitCode')} instead of serving",
            where=str(container.name),
            details=last_lines(container),
            hint="its last lines say why",
        )
    if _health(container) == "unhealthy":
        checks = state.get("Health", {}).get("Log") or [{}]
        raise ReleaseError(
            "is unhealthy",
            where=str(container.name),
            details=(*last_lines(container), str(checks[-1].get("Output", ""))[:300]),
            hint="its last lines say why",
        )


def _health(container: Container) -> str:
    return str(container.attrs["State"].get("Health", {}).get("Status", ""))


# Asked from inside of the container: only what it answers itself counts, with the name that
# visitors use, or Magento would redirect.
_ASK = r"""
[$url, $host, $scheme, $seconds] = array_slice($argv, 1);
$headers = ["Host: $host", "X-Forwarded-Proto: $scheme", "X-Forwarded-For: 127.0.0.1",
    "User-Agent: Kiln-WarmUp", "Connection: close"];
$context = stream_context_create(["http" => ["timeout" => (float) $seconds, "header" => $headers,
    "ignore_errors" => true, "follow_location" => 0]]);
$began = microtime(true);
$body = @file_get_contents($url, false, $context);
preg_match("~^\S+ (\d{3})~", $http_response_header[0] ?? "", $found);
echo json_encode(["status" => (int) ($found[1] ?? 0), "seconds" => microtime(true) - $began,
    "bytes" => strlen((string) $body)]);
"""


def warm_up(site: Site, step: WarmUp) -> None:
    """Ask each new container for pages, so that opcache and caches are filled."""
    scheme, _, rest = site.stack.base_url.partition("://")
    host = rest.partition("/")[0] or "localhost"
    seconds = site.stack.deploy.timeouts.request
    for container in _webs(site, step.release):
        for path in step.paths:
            done = run_in(
                container,
                *("php", "-n", "-r", _ASK, "--", f"http://127.0.0.1:8080{path}"),
                *(host, scheme or "http", str(seconds)),
            )
            try:
                answer = json.loads(done.stdout)
            except ValueError:
                answer = {"status": 0}
            if not 200 <= answer["status"] < 400:
                status = answer["status"] or "no answer"
                raise ReleaseError(
                    f"warming up, {path} answers {status}",
                    where=str(container.name),
                    details=last_lines(container),
                    hint="the release would have answered visitors like that; deploy.warm has the "
                    "pages",
                )
            site.watcher.detail(f"{container.name} {path} {answer['seconds']:.2f} s")


# From inside of the stack's network, as Magento itself would: Varnish lets whom it knows purge.
PURGE = r"""
[$server, $seconds] = array_slice($argv, 1);
$headers = ["Host: " . strstr($server, ":", true), "X-Magento-Tags-Pattern: .*",
    "Connection: close"];
$context = stream_context_create(["http" => ["method" => "PURGE", "header" => $headers,
    "timeout" => (float) $seconds, "ignore_errors" => true, "follow_location" => 0]]);
@file_get_contents("http://$server/", false, $context);
preg_match("~^\S+ (\d{3})~", $http_response_header[0] ?? "", $found);
echo $found[1] ?? "no answer";
"""
_PURGE_SECONDS = 10


def purge_varnish(site: Site, step: PurgeVarnish) -> None:
    """Have each Varnish forget all pages.

    One that does not is said and no failure: its pages grow old by themselves, and their static
    files are served still.
    """
    running = [one for one in _webs(site, step.release) if one.status == "running"]
    for server in step.servers:
        said = "no web container runs"
        if running:
            argv = ("php", "-n", "-r", PURGE, "--", server, str(_PURGE_SECONDS))
            said = run_in(running[0], *argv).stdout.strip()
        if said != "200":
            site.watcher.detail(
                f"Varnish at {server} does not purge ({said}): it may answer with old pages until "
                "they expire"
            )


def watch(site: Site, step: Watch) -> None:
    """Count errors after the swap; too many lead back."""
    replicas = load_release(site, step.release).replicas
    before = site.proxy.traffic(step.slot)
    until = time.monotonic() + step.seconds
    while True:
        webs = _webs(site, step.release)
        if len(webs) < replicas:
            raise ReleaseError(
                f"only {len(webs)} of its {replicas} web containers are there",
                where=f"release {step.release}",
                hint="somebody has removed them: `kiln history` and the engine's log say more",
            )
        for container in webs:
            _refuse_failed(container, 0)
        seen = site.proxy.traffic(step.slot).since(before)
        requests, errors = seen.requests, seen.errors
        allowed = site.stack.deploy.max_error_rate
        if errors >= _FEW_ERRORS and errors > allowed * max(requests, _FEW_REQUESTS):
            raise ReleaseError(
                f"{errors} of {requests} requests failed since the swap, {allowed:.1%} are "
                "accepted",
                where=f"release {step.release}",
                details=_web_lines(site, step.release),
                hint="deploy.max_error_rate sets the bound",
            )
        if time.monotonic() > until:
            site.watcher.detail(f"{errors} errors in {requests} requests")
            return
        time.sleep(0.5)


def _web_lines(site: Site, number: int) -> tuple[str, ...]:
    webs = _webs(site, number)
    return last_lines(webs[0]) if webs else ()


def drain(site: Site, step: Drain) -> None:
    """Wait for the last request of a slot; what is left at the deadline is cut off, and said."""
    done = site.proxy.drain(
        step.slot,
        site.stack.deploy.timeouts.drain,
        lambda left: site.watcher.detail(f"{left} requests left"),
    )
    if done.left:
        site.watcher.detail(f"{done.left} requests were still running after {done.seconds:.0f} s")


def stop_workers(site: Site, step: StopWorkers) -> None:
    """Stop cron and consumers; what they do is finished, nothing new is begun."""
    _stop(site, step.release, _WORKERS, site.stack.deploy.timeouts.work)


def start_workers(site: Site, step: StartWorkers) -> None:
    """Start cron and consumers, after those of every other release have ended: never two crons."""
    release = load_release(site, step.release)
    others = [one for one in _workers(site) if one.labels.get(RELEASE_LABEL) != str(step.release)]
    stop_containers(others, site.stack.deploy.timeouts.work, site.engine.name)
    services = ["cron"] if release.cron else []
    services += [consumer_service(name) for name in release.consumers]
    if services:
        _start(site, release, *services)


def _workers(site: Site) -> list[Container]:
    return [
        one
        for one in stack_containers(site.engine, site.stack.name)
        if one.labels.get(ROLE_LABEL) in _WORKERS
    ]


def keep_assets(site: Site, step: KeepAssets) -> None:
    """Start a container for a release's static files, and lead their addresses to it."""
    release = load_release(site, step.release)
    service = f"assets-{step.place}"
    for container in stack_containers(site.engine, site.stack.name, role="assets"):
        # Another's in this place: of a release that was taken back. This one's in another place: of
        # an attempt that was taken back.
        here = container.labels.get("com.docker.compose.service") == service
        if here != (container.labels.get(RELEASE_LABEL) == str(step.release)):
            stop_containers([container], 10, site.engine.name)
    _start(site, release, service)
    site.proxy.wait_assets_up(step.place, site.stack.deploy.timeouts.boot)
    site.proxy.set_versions(step.versions)


def stop_web(site: Site, step: StopWeb) -> None:
    """Stop and remove the web containers; none of them has a request any more.

    Raises:
        ReleaseError: new requests go there.
    """
    slot = load_release(site, step.release).slot
    if site.proxy.live() == slot:
        raise ReleaseError(
            "visitors are served by it, so it is not stopped",
            where=f"release {step.release}",
            hint=f"`kiln status` shows who serves; the proxy's live.map names slot {slot}",
        )
    _stop(site, step.release, ("web",), site.stack.deploy.timeouts.stop)


def _stop(site: Site, number: int, roles: Sequence[str], seconds: float) -> None:
    found = [
        one
        for one in stack_containers(site.engine, site.stack.name, release=str(number))
        if one.labels.get(ROLE_LABEL) in roles
    ]
    for name in stop_containers(found, seconds, site.engine.name):
        site.watcher.detail(f"{name} did not end within {seconds:.0f} s and was killed")


def remove_release(site: Site, step: RemoveRelease) -> None:
    """Remove what a release has on the host but its record."""
    roles = ("web", "job", "assets", *_WORKERS)
    _stop(site, step.release, roles, site.stack.deploy.timeouts.stop)
    site.keeper.remove(site.lease.token, f"{SECRETS}/{step.release}")


def prune(site: Site, step: Prune) -> None:
    """Remove what no kept release needs: containers, secrets, images. Records stay, if not old."""
    site.proxy.set_versions(step.versions)
    needed = Needed(step.keep[0], set(step.keep), set(step.assets))
    remove_garbage(
        site.engine,
        site.keeper,
        site.lease.token,
        find_garbage(read_state(site.keeper), needed, look_around(site.engine, site.keeper)),
        site.stack.deploy.timeouts.stop,
        site.watcher.detail,
    )


def compose_text(site: Site, release: Release, files: str | None = None) -> str:
    """The compose file of a release on its host.

    Args:
        site: the stack.
        release: the release.
        files: the folder of env.php and secrets, if not the release's own.
    """
    stack = site.stack
    folder = files or str(release.number)
    return render_release(
        stack,
        release,
        f"{stack.name}-{files}" if files else stack.release_project(release.number),
        env_php=f"{stack.deploy.state}/{stack.name}/releases/{folder}/env.php",
        secrets=f"{stack.deploy.secrets}/{stack.name}/{folder}",
        writable=read_labels(site.engine, release.image).writable,
    )


def load_release(site: Site, number: int) -> Release:
    """A release as its folder has it, with what has become known of it since the plan."""
    content = site.keeper.read(f"{release_folder(number)}/release.json")
    if content is None:
        raise EngineError(
            f"release {number} is not recorded", where=site.stack.name, hint="`kiln status`"
        )
    return parse_release(site.stack.name, number, content)


def _find(site: Site, name: str) -> Container | None:
    with engine_errors(name):
        try:
            return site.engine.client.containers.get(name)
        except docker.errors.NotFound:
            return None
