"""What of an environment cannot work, and why."""

import difflib
import re
from collections.abc import Iterator, Sequence

from builder.magento.config_php import ConfigPhp
from builder.magento.env_settings import EnvSetting, search_adapter
from builder.magento.env_tree import Leaf
from builder.magento.readers import load_delivery_table, release_of
from builder.magento.versions import parse_version
from builder.project.deployment import ObjectStorageMedia
from builder.project.environments import Environment

_ENV_PATTERN = re.compile(r"#env\(\s*\w+\s*(,\s*\"[^\"]+\")?\)\n?")
_HOSTS = ("host", "server")
_STORAGE_MODULE = "Magento_AwsS3"
_NO_HOST = "a host must not be empty"


def find_problems(
    environment: Environment,
    version: str,
    settings: Sequence[EnvSetting],
    leaves: Sequence[Leaf],
    config: ConfigPhp | None,
) -> Iterator[tuple[str, str]]:
    """All that cannot work, as the place, `file:line`, and the reason.

    Args:
        environment: the environment.
        version: of Magento.
        settings: its settings.
        leaves: its services, as env.php has them.
        config: config.php, which knows the scopes; None asks for none.
    """
    yield from _overlapping(settings)
    for setting in settings:
        if isinstance(setting.value, str) and (why := _why_unfit(setting.value)):
            yield setting.where, why
    for leaf in leaves:
        if isinstance(leaf.value, str):
            why = _why_unfit(leaf.value)
            if leaf.path[-1] in _HOSTS and not leaf.value.strip():
                why = _NO_HOST
            if why:
                yield environment.where(*leaf.origin), why
    yield from _service_problems(environment, version)
    yield from _media_problems(environment, config)
    if config is not None:
        yield from _unknown_scopes(environment, config)


def _overlapping(settings: Sequence[EnvSetting]) -> Iterator[tuple[str, str]]:
    seen: dict[tuple[str, str], EnvSetting] = {}
    for setting in settings:
        other = seen.setdefault((setting.scope, setting.path), setting)
        if other is not setting:
            yield other.where, f"{setting.path} is given twice: {setting.reason}"
    for setting in settings:
        parts = setting.path.split("/")
        for length in range(3, len(parts)):
            above = seen.get((setting.scope, "/".join(parts[:length])))
            if above is not None:
                why = f"{setting.path} lies within {above.path}, which has a value of its own"
                yield setting.where, why


def _service_problems(environment: Environment, version: str) -> Iterator[tuple[str, str]]:
    services = environment.file.services
    if ":" in services.database.host:
        where = environment.where("services", "database", "host")
        yield where, "a colon in the host is a port to Magento: write `port`, and a name for IPv6"
    if services.lock == "cache" and services.cache is None:
        where = environment.where("services", "lock")
        yield where, "locks in the cache need services.cache: files are of one container alone"
    if services.search is None:
        return
    if not services.search.host.strip():
        yield environment.where("services", "search", "host"), _NO_HOST
    if (services.search.user is None) != (services.search.password is None):
        where = environment.where("services", "search")
        yield where, "search needs user and password, or neither"
    adapter = search_adapter(services.search.engine, version)
    since = load_delivery_table().search[adapter].since
    if release_of(version) < parse_version(since):
        where = environment.where("services", "search", "engine")
        yield where, f"Magento has {adapter} from {since} on, and this is {version}"


def _media_problems(
    environment: Environment, config: ConfigPhp | None
) -> Iterator[tuple[str, str]]:
    storage, deploy = environment.file.services.object_storage, environment.file.deploy
    if storage is None:
        if deploy is not None and isinstance(deploy.media, ObjectStorageMedia):
            where = environment.where("deploy", "media")
            yield where, "services.object_storage must say which bucket the media are in"
        return
    if (storage.access_key is None) != (storage.secret_key is None):
        where = environment.where("services", "object_storage")
        yield where, "an object storage needs access_key and secret_key, or neither"
    if config is not None and not config.modules.get(_STORAGE_MODULE):
        where = environment.where("services", "object_storage")
        yield where, f"{_STORAGE_MODULE}, which speaks to it, is not on in config.php"


def _unknown_scopes(environment: Environment, config: ConfigPhp) -> Iterator[tuple[str, str]]:
    scoped = environment.file.settings
    for scope_type, given, known in (
        ("websites", scoped.websites, config.websites),
        ("stores", scoped.stores, config.stores),
    ):
        for code in given:
            # Without a dump nothing is known of them.
            if known and code not in known:
                near = difflib.get_close_matches(code, known, n=1, cutoff=0.4)
                hint = f"did you mean {near[0]}?" if near else f"there are: {', '.join(known)}"
                where = environment.where("settings", scope_type, code)
                yield where, f"config.php has no {code} among its {scope_type}; {hint}"


def _why_unfit(value: str) -> str:
    """Why no way carries a text as it is; empty where one does."""
    if _ENV_PATTERN.fullmatch(value):
        return "Magento would put an environment variable in the place of `#env(...)`"
    if "\0" in value:
        return "the value has a NUL character"
    try:
        value.encode()
    except UnicodeEncodeError:
        return "the value has half of a surrogate pair, which is no character"
    return ""
