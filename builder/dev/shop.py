"""The shop in a stack: Composer's packages, installation, upgrades, and its own commands."""

import contextlib
import itertools
import json
import os
import re
import shutil
from collections.abc import Collection, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from builder.build.image import Watcher
from builder.dev.compose import Stack, exec_argv, require_running, run_compose
from builder.errors import StackError, TreeError
from builder.magento.composer_lock import ComposerLock, compare_installed, parse_installed
from builder.magento.config_php import CONFIG_PHP
from builder.magento.shop import INSTALLED_JSON
from builder.plan.development import (
    DATABASE,
    DevelopmentPlan,
    ShopState,
    install_options,
    known_options,
    next_step,
    search_modules,
    service_options,
)
from builder.process import Attached, Completed

_SHOWN_LINES = 25
_ENV_PHP = "app/etc/env.php"
# Beside the compose file while setup:install runs: it tells the next `up` of one that was killed.
_INSTALLING = "installing"
# Which settings the configuration cache was last cleaned for.
_SETTINGS = "settings.applied"
_OFF = re.compile(r"'(?P<name>\w+)'(?P<arrow>\s*=>\s*)0\b")


@dataclass(frozen=True, slots=True)
class Site:
    """A stack with the tree that it serves.

    Attributes:
        stack: the containers.
        plan: what they were rendered from.
        composer_auth: Composer's credentials where they are in no file that the stack has.
    """

    stack: Stack
    plan: DevelopmentPlan
    composer_auth: Path | None = None

    def run(self, *command: str, timeout: float, volumes: Sequence[str] = ()) -> Completed:
        """Run a command in a container of its own, which the next `up` removes if need be."""
        mounts = [word for volume in volumes for word in ("--volume", volume)]
        return run_compose(
            self.stack,
            *("--progress", "quiet", "run", "--rm", "--no-deps", "--no-TTY"),
            *("--name", setup_container(self.stack)),
            *mounts,
            "web",
            *command,
            timeout=timeout,
        )


def setup_container(stack: Stack) -> str:
    """The name of the one container that a stack is set up in."""
    return f"{stack.name}-setup"


def remove_leftovers(stack: Stack) -> None:
    """Stop what a killed `up` has left running: it would work on the same files and tables."""
    argv = ["docker", "rm", "--force", setup_container(stack)]
    stack.run(argv, env=stack.env, timeout=60)


def needs_packages(root: Path, lock: ComposerLock) -> bool:
    """Whether vendor/ lacks what composer.lock says."""
    installed = root / INSTALLED_JSON
    if not installed.is_file() or not (root / "vendor/autoload.php").is_file():
        return True
    return bool(compare_installed(lock, parse_installed(installed.read_bytes())))


def install_packages(site: Site) -> None:
    """Run `composer install`, with development packages.

    Raises:
        StackError: it failed.
    """
    volumes = []
    if site.composer_auth is not None:
        volumes.append(f"{site.composer_auth}:/run/secrets/composer_auth:ro")
    done = site.run(
        *("composer", "install", "--no-interaction", "--no-progress"),
        timeout=3600,
        volumes=volumes,
    )
    if done.returncode != 0:
        raise command_failed(
            "composer install",
            done,
            "give Composer its credentials under build.secrets.composer_auth in kiln.yaml, or "
            "in auth.json, if it asks for them",
        )


def set_up_shop(site: Site, watcher: Watcher) -> tuple[str, ...]:
    """Bring env.php and database to where the shop runs; nothing is done where nothing is needed.

    Returns:
        The steps that were needed.

    Raises:
        StackError: a step failed, or did not help.
        TreeError: there is no bin/magento.
    """
    if not (site.plan.root / "bin/magento").is_file():
        raise TreeError(
            "there is no bin/magento",
            where=str(site.plan.root),
            hint="go to the shop's root; if this is it, remove vendor/ and run `kiln dev up` again",
        )
    done: list[str] = []
    while True:
        state = read_state(site)
        step = next_step(state)
        if step == "ready":
            # The passwords in it are of use in this stack alone, and still nobody else's business.
            (site.plan.root / _ENV_PHP).chmod(0o600)
            return tuple(done)
        if step == "broken" or step in done or len(done) > 5:
            raise StackError(
                "the shop says that it is not up to date, and what Kiln can do does not help"
                if done
                else "the shop cannot say whether it is up to date",
                where="bin/magento setup:db:status, app:config:status",
                hint="`kiln dev shell` opens a shell in the shop's container",
                details=tuple(state.said.splitlines()[-_SHOWN_LINES:]),
            )
        done.append(step)
        if step in ("install", "reinstall"):
            watcher.phase("setting up the shop: setup:install")
            _install(site, state, watcher)
        elif step == "configure":
            watcher.phase("writing this stack's services into app/etc/env.php")
            _magento(site, "setup:config:set", *_accepted(site, "setup:config:set"))
        elif step == "upgrade":
            watcher.phase("bringing the database up to date: setup:upgrade")
            with keep_search_modules(site.plan.root):
                _magento(site, "setup:upgrade")
        else:
            watcher.phase("importing app/etc/config.php: app:config:import")
            _magento(site, "app:config:import")


def take_over_settings(site: Site, watcher: Watcher) -> bool:
    """Clean the configuration cache if environments/development.yaml gives other settings now.

    Magento keeps CONFIG__ values in that cache (magento2#35045).

    Returns:
        Whether that was needed.

    Raises:
        StackError: it failed.
    """
    mark = site.plan.state / _SETTINGS
    known = mark.read_text(encoding="utf-8") if mark.is_file() else ""
    if known == site.plan.settings_id:
        return False
    watcher.phase("taking over the settings of environments/development.yaml: cache:clean config")
    _checked(site, "bin/magento cache:clean config", "kiln-magento", "cache:clean", "config")
    mark.write_text(site.plan.settings_id, encoding="utf-8")
    return True


def read_state(site: Site) -> ShopState:
    """Look at env.php and database.

    Raises:
        StackError: the container could not.
    """
    done = site.run("kiln-state", DATABASE, timeout=300)
    try:
        found = json.loads(done.stdout.strip().splitlines()[-1])
        return ShopState(**found, interrupted=(site.plan.state / _INSTALLING).exists())
    except (ValueError, IndexError, TypeError):
        raise command_failed("looking at the shop", done, "`kiln dev logs` may tell more") from None


def _install(site: Site, state: ShopState, watcher: Watcher) -> None:
    plan = site.plan
    env = plan.root / _ENV_PHP
    if state.has_env and not state.ours:
        # Of another system: its services are none of this stack's.
        watcher.phase(f"app/etc/env.php is of another system: kept as {set_aside(env, plan.state)}")
    # Classes that were compiled for other modules would be used.
    for name in ("code", "metadata"):
        shutil.rmtree(plan.root / "generated" / name, ignore_errors=True)
    disabled = () if "search" in plan.images else search_modules(plan.root)
    (plan.state / _INSTALLING).touch()
    with keep_search_modules(plan.root):
        options = install_options(plan, disabled, anew=state.interrupted)
        _magento(site, "setup:install", *_accepted(site, "setup:install", options))
    if disabled:
        _checked(site, "switching off the search modules", "kiln-switch-off", *disabled)
    (plan.state / _INSTALLING).unlink()


def set_aside(env: Path, state: Path) -> Path:
    """Move an env.php to the stack's folder, where git does not see what is in it."""
    kept = next(
        path for number in itertools.count(1) if not (path := state / f"env.{number}.php").exists()
    )
    shutil.copyfile(env, kept)
    kept.chmod(0o600)
    env.unlink()
    return kept


@contextlib.contextmanager
def keep_search_modules(root: Path, *, but: Collection[str] = ()) -> Iterator[None]:
    """Keep the search modules in config.php as they are.

    Without a search engine they are off in this stack's env.php alone, but setup:upgrade and the
    like write what the two files say together into config.php, which is committed.

    Args:
        root: the tree.
        but: modules that are switched off on purpose.
    """
    path = root / CONFIG_PHP
    before = _switched_off(path)
    try:
        yield
    finally:
        changed = _switched_off(path) - before
        if names := changed & set(search_modules(root)) - set(but):
            switch_on(path, names)


def _switched_off(path: Path) -> set[str]:
    try:
        text = path.read_text(encoding="utf-8")
    except FileNotFoundError:
        return set()
    return {match["name"] for match in _OFF.finditer(text)}


def switch_on(path: Path, names: set[str]) -> None:
    """Enable modules in config.php; all else of the text stays."""

    def enabled(match: re.Match[str]) -> str:
        value = "1" if match["name"] in names else "0"
        return f"'{match['name']}'{match['arrow']}{value}"

    replace_text(path, _OFF.sub(enabled, path.read_text(encoding="utf-8")))


def replace_text(path: Path, text: str) -> None:
    """Write a file of the tree anew, whole or not at all, with the owner and mode it has."""
    status = path.stat()
    temporary = path.with_name(f".{path.name}.{os.getpid()}")
    temporary.write_text(text, encoding="utf-8", newline="")
    temporary.chmod(status.st_mode)
    with contextlib.suppress(PermissionError):
        os.chown(temporary, status.st_uid, status.st_gid)
    temporary.replace(path)


def _accepted(site: Site, command: str, options: Sequence[str] | None = None) -> tuple[str, ...]:
    help_text = _checked(site, f"bin/magento {command} --help", "kiln-magento", command, "--help")
    return known_options(service_options() if options is None else options, help_text)


def _magento(site: Site, command: str, *options: str) -> str:
    return _checked(
        site, f"bin/magento {command}", "kiln-magento", command, "--no-interaction", *options
    )


def _checked(site: Site, what: str, *argv: str) -> str:
    done = site.run(*argv, timeout=1800)
    if done.returncode != 0:
        raise command_failed(what, done, "mend what it names, then run `kiln dev up` again")
    return done.stdout


def command_failed(what: str, done: Completed, hint: str) -> StackError:
    """A command of the shop's ended with an error; the details are its last lines."""
    lines = [line for line in (done.stdout + done.stderr).splitlines() if line.strip()]
    return StackError(
        f"failed with exit status {done.returncode}",
        where=what,
        hint=hint,
        details=tuple(lines[-_SHOWN_LINES:]),
    )


def run_magento(
    stack: Stack, root: Path, arguments: Sequence[str], attach: Attached, *, terminal: bool
) -> int:
    """Run bin/magento in a tree's stack, at the user's terminal, and give its exit status back.

    Raises:
        StackError: the stack is not running.
    """
    require_running(stack)
    argv = exec_argv(stack, "kiln-magento", *arguments, terminal=terminal)
    with keep_search_modules(root, but=arguments):
        return attach(argv, env=stack.env)
