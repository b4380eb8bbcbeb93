"""The settings of an environment by scope, those that its services stand for among them."""

from collections.abc import Iterator
from dataclasses import dataclass

from builder.magento.readers import load_delivery_table, release_of
from builder.magento.versions import parse_version
from builder.project.environment import Search, Value
from builder.project.environments import Environment
from builder.project.given import given_settings

_CACHING_APPLICATION = "system/full_page_cache/caching_application"
_VARNISH = "2"


@dataclass(frozen=True, slots=True)
class EnvSetting:
    """One setting of an environment, or one that a service of it stands for.

    Attributes:
        path: e.g. `web/secure/base_url`.
        scope: `default`, `websites/<code>` or `stores/<code>`.
        value: as the environment's file has it.
        where: `environments/x.yaml:LINE`.
        reason: why it is there, where no one has written its path; else empty.
    """

    path: str
    scope: str
    value: Value
    where: str
    reason: str = ""


def own_settings(environment: Environment) -> Iterator[EnvSetting]:
    """What stands under `settings`."""
    for one in given_settings(environment):
        yield EnvSetting(one.path, one.scope, one.value, one.where)


def service_settings(environment: Environment, version: str) -> Iterator[EnvSetting]:
    """Services that Magento reads from its configuration, not from sections of env.php."""
    services = environment.file.services
    if services.search is not None:
        for path, field, value in _search_settings(services.search, version):
            where = environment.where("services", "search", field)
            yield EnvSetting(path, "default", value, where, "services.search says so")
    own = environment.file.settings.default
    if services.varnish and _CACHING_APPLICATION not in own:
        where = environment.where("services", "varnish")
        reason = "Magento purges Varnish only when told that Varnish is its cache"
        yield EnvSetting(_CACHING_APPLICATION, "default", _VARNISH, where, reason)


def search_adapter(engine: str, version: str) -> str:
    """The name by which a release knows a search engine; OpenSearch was an Elasticsearch 7 once."""
    adapter = load_delivery_table().search[engine]
    is_older = release_of(version) < parse_version(adapter.since)
    return adapter.instead if is_older and adapter.instead else engine


def _search_settings(search: Search, version: str) -> Iterator[tuple[str, str, Value]]:
    """Path, the field of `services.search` that gives it, value."""
    adapter = search_adapter(search.engine, version)
    prefix = f"catalog/search/{adapter}"
    yield "catalog/search/engine", "engine", adapter
    yield f"{prefix}_server_hostname", "host", search.host
    yield f"{prefix}_server_port", "port", search.port
    yield f"{prefix}_index_prefix", "index_prefix", search.index_prefix
    yield f"{prefix}_enable_auth", "user", search.user is not None
    if search.user is not None and search.password is not None:
        yield f"{prefix}_username", "user", search.user
        yield f"{prefix}_password", "password", search.password
