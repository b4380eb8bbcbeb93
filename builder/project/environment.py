"""The model of environments/<name>.yaml: what one system has of its own.

System-specific values stand here, as Magento's configuration paths and as services. Sensitive
ones are named (`secret: db-password`), never written down.
"""

import re
from typing import Annotated, Literal

from pydantic import (
    Field,
    StrictBool,
    StrictInt,
    StrictStr,
    model_validator,
)

from builder.project.deployment import Deploy
from builder.project.frozen import FrozenModel
from builder.project.secret_name import Secret, matching

SETTING_PATH = re.compile(r"[A-Za-z0-9_]+(?:/[A-Za-z0-9_]+){2,}")
SCOPE_CODE = re.compile(r"[A-Za-z][A-Za-z0-9_]*")


SettingPath = Annotated[StrictStr, matching(SETTING_PATH, "section/group/field")]
ScopeCode = Annotated[StrictStr, matching(SCOPE_CODE, "of a website's or store view's code")]
Port = Annotated[StrictInt, Field(ge=1, le=65535)]


Value = StrictStr | StrictInt | StrictBool | None | Secret
Settings = dict[SettingPath, Value]


class ScopedSettings(FrozenModel):
    """Configuration values by scope, as `bin/magento config:set` takes them."""

    default: Settings = Field({}, description="For all websites.")
    websites: dict[ScopeCode, Settings] = Field({}, description="By website code.")
    stores: dict[ScopeCode, Settings] = Field({}, description="By store view code.")


class Database(FrozenModel):
    """MySQL or MariaDB."""

    host: StrictStr
    port: Port = 3306
    name: StrictStr
    user: StrictStr
    password: Secret
    table_prefix: StrictStr = ""
    tls_ca: StrictStr | None = Field(None, description="A CA file in the container.")


class Redis(FrozenModel):
    """A Redis or Valkey server, one database of it."""

    host: StrictStr
    port: Port = 6379
    database: Annotated[StrictInt, Field(ge=0, le=1023)] = 0
    password: Secret | None = None


class Amqp(FrozenModel):
    """RabbitMQ."""

    host: StrictStr
    port: Port = 5672
    user: StrictStr
    password: Secret
    virtual_host: StrictStr = "/"
    tls: StrictBool = False


class Search(FrozenModel):
    """OpenSearch or Elasticsearch."""

    engine: Literal["opensearch", "elasticsearch7", "elasticsearch8"] = "opensearch"
    host: StrictStr
    port: Port = 9200
    index_prefix: StrictStr = "magento2"
    user: StrictStr | None = None
    password: Secret | None = None


class Varnish(FrozenModel):
    """A Varnish server that is told to purge."""

    host: StrictStr
    port: Port = 80


class ObjectStorage(FrozenModel):
    """A bucket of S3 or of what speaks its protocol, for media: Magento_AwsS3."""

    bucket: StrictStr
    region: StrictStr
    endpoint: StrictStr | None = Field(None, description="A URL; without, Amazon's own.")
    path_style: StrictBool = Field(False, description="The bucket in the path, not in the host.")
    prefix: StrictStr = Field("", description="A folder in the bucket.")
    access_key: Secret | None = Field(
        None, description="Without both keys, the role of the machine or pod counts."
    )
    secret_key: Secret | None = None


class Services(FrozenModel):
    """What a system's containers talk to."""

    database: Database
    cache: Redis | None = Field(None, description="The default cache; without, files in var/.")
    page_cache: Redis | None = Field(None, description="The full page cache.")
    session: Redis | None = Field(None, description="Sessions; without, the database holds them.")
    queue: Amqp | None = Field(None, description="Messages; without, the database holds them.")
    search: Search | None = None
    object_storage: ObjectStorage | None = Field(
        None, description="Where media are kept; without, in the folder pub/media."
    )
    varnish: tuple[Varnish, ...] = ()
    lock: Literal["db", "file", "cache"] = Field("db", description="Who keeps Magento's locks.")


class DirectorySource(FrozenModel):
    """A folder with one file a secret."""

    directory: StrictStr


class EnvironmentSource(FrozenModel):
    """Environment variables: the secret's name in upper case, `-` as `_`, after the prefix."""

    env_prefix: Annotated[StrictStr, Field(pattern=r"^[A-Z_][A-Z0-9_]*$")]


class CommandSource(FrozenModel):
    """A command that prints one secret, e.g. `[pass, show, "shop/{name}"]`; no shell."""

    command: Annotated[tuple[StrictStr, ...], Field(min_length=1)]


class SwarmSource(FrozenModel):
    """Docker Swarm's own secrets, named `<prefix><name>-<version>`."""

    swarm_prefix: StrictStr


SecretSourceConfig = DirectorySource | EnvironmentSource | CommandSource | SwarmSource


class EnvironmentFile(FrozenModel):
    """environments/<name>.yaml, its parents merged in.

    Mappings of a parent and a child are merged key by key; all else of the child replaces the
    parent's.
    """

    extends: StrictStr | None = Field(
        None, description="Another environment's name, whose values hold where this has none."
    )
    abstract: StrictBool = Field(
        False, description="Only for others to extend; need not be complete."
    )
    mode: Literal["production", "developer"] = Field("production", description="MAGE_MODE.")
    settings: ScopedSettings = ScopedSettings()
    services: Services
    crypt_key: Secret = Field(description="Magento's encryption key.")
    admin_path: Annotated[StrictStr, Field(pattern=r"^[A-Za-z0-9_]+$")] = Field(
        "admin", description="The Admin's front name."
    )
    secrets: SecretSourceConfig | None = Field(
        None, description="Where secrets come from; needed as soon as one is named."
    )
    deploy: Deploy | None = Field(
        None, description="How the system is run; without, `kiln deploy` does not know it."
    )

    @model_validator(mode="after")
    def _secrets_have_a_source(self) -> "EnvironmentFile":
        if self.secrets is None and not self.abstract:
            raise ValueError(
                "`secrets` must say where secrets come from: at least crypt_key is one"
            )
        return self


def _own_redis(database: int) -> Redis:
    return Redis(host="cache", database=database)


class DevelopmentFile(EnvironmentFile):
    """environments/development.yaml: the settings of development systems.

    All else is the same in every one of them, and theirs alone: `kiln dev up` brings it along
    (builder/plan/development.py).
    """

    mode: Literal["production", "developer"] = "developer"
    services: Services = Services(
        database=Database(
            host="database",
            name="magento",
            user="magento",
            password=Secret(secret="database_password"),
        ),
        cache=_own_redis(0),
        page_cache=_own_redis(1),
        session=_own_redis(2),
        queue=Amqp(host="queue", user="magento", password=Secret(secret="queue_password")),
    )
    crypt_key: Secret = Secret(secret="crypt_key")

    @model_validator(mode="after")
    def _secrets_have_a_source(self) -> "DevelopmentFile":
        settings = self.settings
        given = (settings.default, *settings.websites.values(), *settings.stores.values())
        named = [one for at in given for one in at.values() if isinstance(one, Secret)]
        if self.secrets is None and named:
            names = ", ".join(sorted({one.secret for one in named}))
            raise ValueError(
                f"`secrets` must say where {names} comes from; write null where development "
                "needs no value"
            )
        return self


BROUGHT_ALONG = ("services", "crypt_key", "mode", "admin_path")
