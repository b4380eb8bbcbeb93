"""Values in config.php that do not belong into git, or into an image. Pure."""

from collections.abc import Iterator, Mapping

from builder.magento.config_php import CONFIG_PHP, ConfigPhp
from builder.magento.finding import Finding
from builder.magento.type_pool import TypePool


def find_committed_secrets(
    config: ConfigPhp, pool: TypePool, encrypted: Mapping[str, str]
) -> Iterator[Finding]:
    """Values that may be in no file. None is printed.

    Args:
        config: config.php.
        pool: Magento's own classification.
        encrypted: where values are declared that Magento keeps encrypted, by path.
    """
    for setting in config.flatten_system():
        path = setting.path
        if setting.value in (None, "") or not (path in pool.sensitive or path in encrypted):
            continue
        why = pool.declared_in(path) or f"encrypted: {encrypted[path]}"
        yield Finding(
            f"config.php holds the sensitive value {path} ({setting.scope}; {why})",
            f"{CONFIG_PHP}:{setting.line}",
            "remove it, change the secret, for git keeps it, and name it in "
            f"environments/<name>.yaml: `{path}: {{secret: a-name}}`",
        )


def warn_system_specific(config: ConfigPhp, pool: TypePool) -> Iterator[Finding]:
    """Values that differ from system to system."""
    for setting in config.flatten_system():
        path = setting.path
        if path in pool.environment and path not in pool.sensitive and setting.value is not None:
            yield Finding(
                f"config.php holds the system-specific value {path} "
                f"({setting.scope}; {pool.declared_in(path)})",
                f"{CONFIG_PHP}:{setting.line}",
                "move it to environments/<name>.yaml: every system that runs the image has it",
            )
