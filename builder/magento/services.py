"""The services of an environment, as the sections of env.php that Magento reads them from.

Names and defaults are those that `setup:install` of Magento 2.4.7-p3 writes:
setup/src/Magento/Setup/Model/ConfigGenerator.php and ConfigOptionsList/*.php.
"""

import hashlib
from collections.abc import Iterable, Iterator

from builder.magento.env_tree import EnvScalar, KeyPath, Leaf, SecretRef
from builder.magento.readers import DeliveryTable, load_delivery_table
from builder.project.environment import (
    Amqp,
    Database,
    EnvironmentFile,
    ObjectStorage,
    Redis,
)
from builder.project.secret_name import Secret

# `install/date` says that the shop is installed; the Admin leaves older news out.
_INSTALLED = "Wed, 01 Jan 2020 00:00:00 +0000"
_REDIS_BACKEND = "Magento\\Framework\\Cache\\Backend\\Redis"
_LOCK_FOLDER = "/app/var/locks"
# PDO::MYSQL_ATTR_SSL_CA and PDO::MYSQL_ATTR_SSL_VERIFY_SERVER_CERT; their names are deprecated
# in PHP 8.5, and Magento itself writes the numbers.
_SSL_CA = 1009
_SSL_VERIFY_SERVER = 1014


def cache_prefix(environment: str, release: str) -> str:
    """What all cache entries of a release begin with: nine characters of [0-9a-f_].

    Magento's own default is made of the path of app/etc, and so is the same in the containers of
    every release, which would then read each other's entries.
    """
    return hashlib.sha256(f"{environment}\n{release}".encode()).hexdigest()[:8] + "_"


def service_leaves(
    name: str,
    file: EnvironmentFile,
    version: str,
    release: str | None,
    extra_cache_types: Iterable[str] = (),
) -> list[Leaf]:
    """All of env.php but `system`.

    Args:
        name: the environment's.
        file: the environment.
        version: of Magento, e.g. `2.4.7-p3`.
        release: the release's name, of which the cache's prefix is made; None leaves the prefix
            to Magento, which serves where one release runs alone.
        extra_cache_types: those that modules of the shop add in etc/cache.xml.
    """
    table = load_delivery_table()
    services = file.services
    production = file.mode == "production"
    leaves = [
        Leaf(("backend", "frontName"), file.admin_path, ("admin_path",)),
        Leaf(("crypt", "key"), SecretRef(file.crypt_key.secret, "crypt_key"), ("crypt_key",)),
        *_database(services.database),
        *_session(services.session),
        *_caches(file, version, None if release is None else cache_prefix(name, release)),
        *_cache_types(file, table, extra_cache_types),
        *_queue(services.queue),
        *_lock(file),
        *_remote_storage(services.object_storage),
    ]
    for index, varnish in enumerate(services.varnish):
        path: KeyPath = ("http_cache_hosts", index)
        origin = ("services", "varnish", index)
        leaves.append(Leaf((*path, "host"), varnish.host, origin))
        leaves.append(Leaf((*path, "port"), str(varnish.port), origin))
    if production:
        # Consumers have containers of their own; cron would start them a second time.
        leaves.append(Leaf(("cron_consumers_runner", "cron_run"), 0))
        if table.has("blue_green", version):
            # ConfigChangeDetector and DbStatusValidator answer 500 while two releases share a
            # database; the old release must have it on before the new one migrates.
            leaves.append(Leaf(("deployment", "blue_green", "enabled"), 1))
    return [
        *leaves,
        Leaf(("directories", "document_root_is_pub"), True),
        Leaf(("install", "date"), _INSTALLED),
        Leaf(("x-frame-options",), "SAMEORIGIN"),
        Leaf(("MAGE_MODE",), file.mode, ("mode",)),
    ]


def _database(database: Database) -> Iterator[Leaf]:
    at = ("services", "database")
    path: KeyPath = ("db", "connection", "default")
    yield Leaf(("db", "table_prefix"), database.table_prefix, (*at, "table_prefix"))
    # Magento takes the port within the host, and refuses a key of its own.
    host = database.host if database.port == 3306 else f"{database.host}:{database.port}"
    yield Leaf((*path, "host"), host, (*at, "host"))
    yield Leaf((*path, "dbname"), database.name, (*at, "name"))
    yield Leaf((*path, "username"), database.user, (*at, "user"))
    yield Leaf((*path, "password"), SecretRef(database.password.secret), (*at, "password"))
    yield Leaf((*path, "model"), "mysql4")
    yield Leaf((*path, "engine"), "innodb")
    yield Leaf((*path, "initStatements"), "SET NAMES utf8;")
    yield Leaf((*path, "active"), "1")
    if database.tls_ca is not None:
        options: KeyPath = (*path, "driver_options")
        yield Leaf((*options, _SSL_CA), database.tls_ca, (*at, "tls_ca"))
        yield Leaf((*options, _SSL_VERIFY_SERVER), True, (*at, "tls_ca"))
    yield Leaf(("resource", "default_setup", "connection"), "default")


def _session(session: Redis | None) -> Iterator[Leaf]:
    if session is None:
        yield Leaf(("session", "save"), "db")
        return
    at = ("services", "session")
    yield Leaf(("session", "save"), "redis", at)
    # No prefix: what a visitor has in his cart must outlive a release.
    yield from _rows(("session", "redis"), _redis_rows(session, "host"), at)
    settings = {
        "timeout": "2.5",
        "max_concurrency": "6",
        "break_after_frontend": "5",
        "break_after_adminhtml": "30",
        "first_lifetime": "600",
        "bot_first_lifetime": "60",
        "bot_lifetime": "7200",
        "disable_locking": "0",
        "min_lifetime": "60",
        "max_lifetime": "2592000",
    }
    for key, value in settings.items():
        yield Leaf(("session", "redis", key), value)


def _caches(file: EnvironmentFile, version: str, prefix: str | None) -> Iterator[Leaf]:
    services = file.services
    table = load_delivery_table()
    has_symfony = table.has("symfony_cache", version)
    preload = prefix is not None and file.mode == "production" and not has_symfony
    frontends = {
        "default": ("cache", services.cache),
        "page_cache": ("page_cache", services.page_cache),
    }
    for frontend, (service, redis) in frontends.items():
        path: KeyPath = ("cache", "frontend", frontend)
        at = ("services", service)
        if prefix is not None:
            yield Leaf((*path, "id_prefix"), prefix)
        if redis is None:
            continue
        yield Leaf((*path, "backend"), "redis" if has_symfony else _REDIS_BACKEND, at)
        options: KeyPath = (*path, "backend_options")
        yield from _rows(options, _redis_rows(redis, "server"), at)
        # Pages are compressed before they come to the cache.
        yield Leaf((*options, "compress_data"), "1" if frontend == "default" else "0")
        if frontend == "default" and preload:
            for index, key in enumerate(table.preload_keys):
                yield Leaf((*options, "preload_keys", index), f"{prefix}{key}")
    yield Leaf(("cache", "allow_parallel_generation"), False)
    # Without a salt Magento makes one at the first GraphQL request and writes it into env.php,
    # which is read-only, and of which every container has its own.
    salt = SecretRef(file.crypt_key.secret, "cache_id_salt")
    yield Leaf(("cache", "graphql", "id_salt"), salt, ("crypt_key",))


def _cache_types(
    file: EnvironmentFile, table: DeliveryTable, extra: Iterable[str]
) -> Iterator[Leaf]:
    off = table.cache_types_off_in_developer_mode if file.mode == "developer" else ()
    for cache_type in sorted({*table.cache_types, *extra}):
        yield Leaf(("cache_types", cache_type), int(cache_type not in off))


def _queue(queue: Amqp | None) -> Iterator[Leaf]:
    if queue is None:
        return
    rows: dict[str, EnvScalar] = {
        "host": queue.host,
        "port": str(queue.port),
        "user": queue.user,
        "password": SecretRef(queue.password.secret),
        "virtualhost": queue.virtual_host,
        # Magento\Framework\Amqp\Config asks for this very word.
        "ssl": "true" if queue.tls else "",
    }
    yield from _rows(("queue", "amqp"), rows, ("services", "queue"))


def _lock(file: EnvironmentFile) -> Iterator[Leaf]:
    at = ("services", "lock")
    yield Leaf(("lock", "provider"), file.services.lock, at)
    if file.services.lock == "file":
        yield Leaf(("lock", "config", "path"), _LOCK_FOLDER, at)


def _remote_storage(storage: ObjectStorage | None) -> Iterator[Leaf]:
    """Names as Magento_AwsS3 reads them (Driver/AwsS3Factory::prepareConfig)."""
    if storage is None:
        return
    at = ("services", "object_storage")
    yield Leaf(("remote_storage", "driver"), "aws-s3", at)
    yield Leaf(("remote_storage", "prefix"), storage.prefix, (*at, "prefix"))
    path: KeyPath = ("remote_storage", "config")
    yield Leaf((*path, "bucket"), storage.bucket, (*at, "bucket"))
    yield Leaf((*path, "region"), storage.region, (*at, "region"))
    if storage.endpoint is not None:
        yield Leaf((*path, "endpoint"), storage.endpoint, (*at, "endpoint"))
    if storage.path_style:
        yield Leaf((*path, "path_style"), "1", (*at, "path_style"))
    if storage.access_key is not None and storage.secret_key is not None:
        keys: KeyPath = (*path, "credentials")
        yield Leaf((*keys, "key"), SecretRef(storage.access_key.secret), (*at, "access_key"))
        yield Leaf((*keys, "secret"), SecretRef(storage.secret_key.secret), (*at, "secret_key"))


def _redis_rows(redis: Redis, host_key: str) -> dict[str, EnvScalar]:
    rows: dict[str, EnvScalar] = {
        host_key: redis.host,
        "port": str(redis.port),
        "database": str(redis.database),
    }
    if isinstance(redis.password, Secret):
        rows["password"] = SecretRef(redis.password.secret)
    return rows


_FIELDS = {"server": "host", "virtualhost": "virtual_host", "ssl": "tls"}


def _rows(
    path: KeyPath, rows: dict[str, EnvScalar], origin: tuple[str | int, ...]
) -> Iterator[Leaf]:
    for key, value in rows.items():
        yield Leaf((*path, key), value, (*origin, _FIELDS.get(key, key)))
