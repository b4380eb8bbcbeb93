"""What a development system says of its configuration, without a change to the tree's files."""

import os
import shutil
from pathlib import Path

from builder.build.disk import explain_refusal
from builder.dev.compose import Stack, exec_argv, require_running, run_compose
from builder.dev.shop import command_failed
from builder.magento.config_php import CONFIG_PHP

# app:config:dump writes both files in it: env.php gets what is sensitive or of one system, which
# would lock it in this system's Admin, and each `getenv` or secret read in it becomes its value.
_ETC = "app/etc"
_SECTIONS = ("scopes", "themes", "system")


def read_dump(stack: Stack, root: Path) -> bytes:
    """The config.php that app:config:dump makes of a running stack.

    It works in a container of its own, on a copy of app/etc: killed at any moment,
    it leaves the tree's as they were.

    Args:
        stack: a running one; whoever calls this holds its lock.
        root: the tree.

    Raises:
        StackError: the stack is not running, or the command failed.
    """
    require_running(stack)
    folder = stack.file.parent / "dump"
    shutil.rmtree(folder, ignore_errors=True)
    try:
        _copy(root / _ETC, folder, root.stat())
        done = run_compose(
            stack,
            *("--progress", "quiet", "run", "--rm", "--no-deps", "--no-TTY"),
            *("--volume", f"{folder}:/app/{_ETC}", "web"),
            *("kiln-magento", "app:config:dump", *_SECTIONS),
        )
        if done.returncode != 0:
            raise command_failed("bin/magento app:config:dump", done, "mend what it names")
        return (folder / Path(CONFIG_PHP).name).read_bytes()
    except OSError as error:
        raise explain_refusal(error, folder) from None
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def _copy(source: Path, folder: Path, owner: os.stat_result) -> None:
    folder.mkdir(mode=0o700)
    shutil.copytree(source, folder, dirs_exist_ok=True)
    folder.chmod(0o700)
    if os.geteuid() == 0:
        for path in (folder, *folder.rglob("*")):
            os.chown(path, owner.st_uid, owner.st_gid)


def import_config(stack: Stack) -> None:
    """Have a running stack take over config.php, of which the dump has left another hash.

    Raises:
        StackError: the import failed.
    """
    argv = exec_argv(stack, "kiln-magento", "app:config:import", "--no-interaction", terminal=False)
    done = stack.run(argv, env=stack.env, timeout=600)
    if done.returncode != 0:
        hint = "mend what it names, then run `kiln dev magento app:config:import`"
        raise command_failed("bin/magento app:config:import", done, hint)
