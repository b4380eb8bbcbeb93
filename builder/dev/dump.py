"""What a development system says of its configuration, with its files left as they were."""

from pathlib import Path

from builder.dev.compose import Stack, exec_argv, require_running
from builder.dev.shop import dump_config
from builder.errors import StackError
from builder.magento.config_php import CONFIG_PHP

# app:config:dump writes both: env.php gets what is sensitive or of one system, which would lock it
# in this system's Admin, and each `getenv` or secret read in it becomes its value.
_WRITTEN = (CONFIG_PHP, "app/etc/env.php")
_SECTIONS = ("scopes", "themes", "system")


def read_dump(stack: Stack, root: Path) -> bytes:
    """The config.php that app:config:dump makes of a running stack; the tree's is not changed.

    Raises:
        StackError: the stack is not running, or the command failed.
    """
    require_running(stack)
    kept = {name: (root / name).read_bytes() for name in _WRITTEN if (root / name).is_file()}
    try:
        dump_config(stack, _SECTIONS)
        return (root / CONFIG_PHP).read_bytes()
    finally:
        # Written over, not replaced: owner and mode stay, and so does the mount of one file.
        for name, content in kept.items():
            if (root / name).read_bytes() != content:
                (root / name).write_bytes(content)


def import_config(stack: Stack) -> None:
    """Have a running stack take over config.php, of which the dump has left another hash.

    Raises:
        StackError: the import failed.
    """
    argv = exec_argv(stack, "kiln-magento", "app:config:import", "--no-interaction", terminal=False)
    done = stack.run(argv, env=stack.env, timeout=600)
    if done.returncode != 0:
        lines = [line for line in (done.stdout + done.stderr).splitlines() if line.strip()]
        raise StackError(
            f"failed with exit status {done.returncode}",
            where="bin/magento app:config:import",
            hint="mend what it names, then run `kiln dev magento app:config:import`",
            details=tuple(lines[-25:]),
        )
