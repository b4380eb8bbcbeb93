"""Files of small releases, to judge migrations with."""

from collections.abc import Mapping

from builder.magento.config_php import CONFIG_PHP
from builder.magento.release_files import ReleaseFiles, read_release_files
from tests.unit.shops import register

Modules = Mapping[str, Mapping[str, str]]


def release_files(modules: Modules, scopes: str = "") -> dict[str, bytes]:
    """The files of an image.

    Args:
        modules: files of each module by path below it. `at` is its directory, by default
            app/code/Vendor/Name, `on` is 0 or 1, and `version` its setup_version.
        scopes: the PHP array under `scopes`.
    """
    switches = "".join(f"'{name}' => {one.get('on', '1')}," for name, one in modules.items())
    files = {CONFIG_PHP: f"<?php return ['modules' => [{switches}], 'scopes' => [{scopes}]];"}
    for name, content in modules.items():
        directory = content.get("at", f"app/code/{name.replace('_', '/')}")
        files[f"{directory}/registration.php"] = register(name)
        version = f'setup_version="{content["version"]}"' if "version" in content else ""
        files[f"{directory}/etc/module.xml"] = f'<config><module name="{name}" {version}/></config>'
        for path, text in content.items():
            if path not in ("at", "on", "version"):
                files[f"{directory}/{path}"] = text
    return {path: text.encode() for path, text in files.items()}


def release(modules: Modules, scopes: str = "") -> ReleaseFiles:
    """What the files of `release_files` say."""
    return read_release_files(release_files(modules, scopes))
