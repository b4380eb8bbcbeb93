"""What each step of a release does. Every one can be done again: killed half-way, it is."""

import json
import time

from docker.models.containers import Container

from builder.deploy.database_status import parse_status
from builder.deploy.delivery import shop_secrets
from builder.deploy.engine import WORKERS, last_lines, run_in
from builder.deploy.keeper import SECRETS, HostFile
from builder.deploy.prune import Needed, find_garbage
from builder.deploy.site import Site
from builder.deploy.state import (
    CURRENT,
    MANIFEST,
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
            site.driver.start_services(site, step.restart)
        case ConfigureProxy():
            site.driver.configure_proxy(site)
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
    """Have the image where it may run, under its digest."""
    site.driver.pull(step.image, site.watcher.detail)


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
        site.driver.deliver_secrets(site, str(release.number), values)
        versions = {name: value.version for name, value in values.items()}
        if versions != release.secrets:
            # Changed in their source since the plan was made.
            release = release.model_copy(update={"secrets": versions})
            save_release(site.keeper, token, release)
    file = {MANIFEST: HostFile(site.driver.describe(site, release).encode())}
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
    role: str = step.role
    if role == "install":
        role = _install_or_go_on(site, release)
    site.driver.run_role(site, release, role, seconds)


def _install_or_go_on(site: Site, release: Release) -> str:
    """Whether to install, or to bring up to date what this release's own installation has left.

    Raises:
        ReleaseError: somebody else has filled the database. It may not have run when the plan was
            made, and the plan took it for empty.
    """
    found = parse_status(site.driver.run_role(site, release, "status", 300))
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


def boot_web(site: Site, step: BootWeb) -> None:
    """Start the web containers, and see that they are healthy and stay it."""
    release = load_release(site, step.release)
    until = time.monotonic() + site.stack.deploy.timeouts.boot
    site.driver.boot_web(site, release, site.stack.deploy.timeouts.boot)
    site.proxy.wait_up(step.slot, release.replicas, max(5.0, until - time.monotonic()))


def _webs(site: Site, number: int) -> list[Container]:
    found = site.driver.containers(release=str(number), role="web")
    return [one for one in found if one.status == "running"]


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
    site.driver.check_web(site, load_release(site, step.release))
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
    running = _webs(site, step.release)
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
    release = load_release(site, step.release)
    before = site.proxy.traffic(step.slot)
    until = time.monotonic() + step.seconds
    while True:
        site.driver.check_web(site, release)
        seen = site.proxy.traffic(step.slot).since(before)
        requests, errors = seen.requests, seen.errors
        allowed = site.stack.deploy.max_error_rate
        if errors >= _FEW_ERRORS and errors > allowed * max(requests, _FEW_REQUESTS):
            raise ReleaseError(
                f"{errors} of {requests} requests failed since the swap, {allowed:.1%} are "
                "accepted",
                where=f"release {step.release}",
                details=last_lines(webs[0]) if (webs := _webs(site, step.release)) else (),
                hint="deploy.max_error_rate sets the bound",
            )
        if time.monotonic() > until:
            site.watcher.detail(f"{errors} errors in {requests} requests")
            return
        time.sleep(0.5)


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
    site.driver.stop(site, step.release, WORKERS, site.stack.deploy.timeouts.work)


def start_workers(site: Site, step: StartWorkers) -> None:
    """Start cron and consumers, after those of every other release have ended: never two crons."""
    site.driver.start_workers(site, load_release(site, step.release))


def keep_assets(site: Site, step: KeepAssets) -> None:
    """Start a container for a release's static files, and lead their addresses to it."""
    site.driver.start_assets(site, load_release(site, step.release), step.place)
    site.proxy.wait_assets_up(step.place, site.stack.deploy.timeouts.boot)
    site.proxy.set_versions(step.versions)


def stop_web(site: Site, step: StopWeb) -> None:
    """Stop and remove the web containers; none of them has a request any more.

    Raises:
        ReleaseError: new requests go there.
    """
    slot = load_release(site, step.release).slot
    # None: the proxies do not agree on it.
    if site.proxy.live() in (slot, None):
        raise ReleaseError(
            "visitors may be served by it, so it is not stopped",
            where=f"release {step.release}",
            hint=f"`kiln status` shows who serves; the proxy's live.map names slot {slot}",
        )
    site.driver.stop(site, step.release, ("web",), site.stack.deploy.timeouts.stop)


def remove_release(site: Site, step: RemoveRelease) -> None:
    """Remove what a release has on the host but its record."""
    roles = ("web", "job", "assets", *WORKERS)
    site.driver.stop(site, step.release, roles, site.stack.deploy.timeouts.stop)
    site.keeper.remove(site.lease.token, f"{SECRETS}/{step.release}")


def prune(site: Site, step: Prune) -> None:
    """Remove what no kept release needs: containers, secrets, images. Records stay, if not old."""
    site.proxy.set_versions(step.versions)
    needed = Needed(step.keep[0], set(step.keep), set(step.assets))
    garbage = find_garbage(read_state(site.keeper), needed, site.driver.look_around(site.keeper))
    site.driver.remove_garbage(
        site.keeper,
        site.lease.token,
        garbage,
        site.stack.deploy.timeouts.stop,
        site.watcher.detail,
    )


def load_release(site: Site, number: int) -> Release:
    """A release as its folder has it, with what has become known of it since the plan."""
    content = site.keeper.read(f"{release_folder(number)}/release.json")
    if content is None:
        raise EngineError(
            f"release {number} is not recorded", where=site.stack.name, hint="`kiln status`"
        )
    return parse_release(site.stack.name, number, content)
