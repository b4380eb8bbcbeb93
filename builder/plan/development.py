"""What a development system consists of, decided before anything runs. Pure."""

import hashlib
import re
from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from builder.magento.shop import Platform
from builder.magento.versions import load_versions
from builder.project.loading import Project

# Services that Kiln makes an image for where kiln.yaml names none. There is none for search: no
# Debian release carries a search engine that Magento speaks to.
BUILT = ("web", "database", "cache", "queue", "mail")
SECRETS = ("database_password", "queue_password", "admin_password", "crypt_key")
ADMIN_USER = "admin"
DATABASE = "magento"
QUEUE_USER = "magento"

# What asks the search engine, in the order in which they depend on each other. Without them the
# shop runs, and catalog search alone answers 500 (measured on 2.4.7-p3).
SEARCH_MODULES = {
    "Magento_OpenSearch": "OpenSearch",
    "Magento_Elasticsearch8": "Elasticsearch8",
    "Magento_Elasticsearch7": "Elasticsearch7",
    "Magento_Elasticsearch": "Elasticsearch",
    "Magento_InventoryElasticsearch": "InventoryElasticsearch",
    "Magento_ElasticsearchCatalogPermissions": "ElasticsearchCatalogPermissions",
}


@dataclass(frozen=True, slots=True)
class Ports:
    """Where the host reaches a development system, each at 127.0.0.1."""

    web: int
    database: int
    queue: int
    mail: int

    @classmethod
    def block(cls, first: int) -> "Ports":
        """Four in a row."""
        return cls(first, first + 1, first + 2, first + 3)

    def all(self) -> tuple[int, ...]:
        """Every one of them."""
        return (self.web, self.database, self.queue, self.mail)


@dataclass(frozen=True, slots=True)
class DevelopmentPlan:
    """Everything that Dockerfiles and compose file are rendered from.

    Attributes:
        name: of the stack, unlike that of any other tree on the host.
        root: the source tree, which containers see at /app.
        state: the folder with the stack's secrets.
        uid, gid: who owns the tree; the shop's container runs as this user.
        base: the base image by digest.
        mirror: a Debian mirror, or None for the base image's own.
        debian_packages: PHP and its extensions, nginx.
        database_version: what MariaDB says it is, or None for what it is.
        images: by service, those that kiln.yaml names instead of Kiln's own.
        readable: files that build secrets come from, by name: composer_auth, ca_bundle.
        settings_id: another one where the settings of environments/development.yaml are others.
        secrets_id: another one where secrets were made anew; containers then are, too.
        xdebug: Xdebug is loaded.
    """

    name: str
    shop_name: str
    root: Path
    state: Path
    uid: int
    gid: int
    base: str
    mirror: str | None
    php_version: str
    php_memory_limit: str
    debian_packages: tuple[str, ...]
    database_version: str | None
    images: Mapping[str, str]
    readable: Mapping[str, Path]
    secrets_id: str
    settings_id: str
    ports: Ports
    xdebug: bool

    @property
    def built(self) -> tuple[str, ...]:
        """The services that Kiln makes the image of."""
        return tuple(service for service in BUILT if service not in self.images)

    @property
    def services(self) -> tuple[str, ...]:
        """All services, those that the shop needs before itself."""
        search = ("search",) if "search" in self.images else ()
        return (*(one for one in BUILT if one != "web"), *search, "web")

    @property
    def base_url(self) -> str:
        """The shop's address."""
        return f"http://localhost:{self.ports.web}/"

    @property
    def secrets_folder(self) -> Path:
        """Where the stack's secrets lie on the host, one file each."""
        return self.state / "secrets"

    @property
    def settings_folder(self) -> Path:
        """Where settings.php lies on the host, with the secrets that it reads."""
        return self.state / "settings"


def stack_name(shop_name: str, root: Path) -> str:
    """The stack of a tree: the same on every run, another for every tree."""
    digest = hashlib.sha256(str(root).encode()).hexdigest()[:8]
    # Compose allows no dots in a project's name.
    return f"{re.sub(r'[^a-z0-9_-]', '-', shop_name)}-dev-{digest}"


def plan_development(
    project: Project,
    platform: Platform,
    base: str,
    *,
    state: Path,
    owner: tuple[int, int],
    ports: Ports,
    readable: Mapping[str, Path],
    secrets_id: str,
    settings_id: str,
    xdebug: bool,
) -> DevelopmentPlan:
    """Decide what a tree's development system consists of.

    Args:
        project: the project file.
        platform: Magento's and PHP's version, and what PHP needs.
        base: the base image by digest.
        state: the stack's folder in Kiln's cache.
        owner: user and group that own the tree.
        ports: free ones, or those of an earlier run.
        readable: files with build secrets, by name.
        secrets_id: of the stack's secrets.
        settings_id: of its settings; empty for none.
        xdebug: load Xdebug.
    """
    file = project.file
    images = file.development.images.model_dump(exclude_none=True)
    return DevelopmentPlan(
        name=stack_name(file.name, project.root),
        shop_name=file.name,
        root=project.root,
        state=state,
        uid=owner[0],
        gid=owner[1],
        base=base,
        mirror=file.base.mirror,
        php_version=platform.php_version,
        php_memory_limit=file.php.memory_limit,
        debian_packages=tuple(sorted({*platform.php_packages, *file.base.packages})),
        database_version=None if "database" in images else reported_database(platform),
        images=images,
        readable=readable,
        secrets_id=secrets_id,
        settings_id=settings_id,
        ports=ports,
        xdebug=xdebug,
    )


def reported_database(platform: Platform) -> str:
    """The version that Debian's MariaDB gives itself out as.

    Magento refuses a database that it does not know, e.g. 2.4.7-p3 Debian 12's 10.11.
    """
    line = load_versions().line_of(platform.edition, platform.version)  # type: ignore[arg-type]
    return f"{line.services['mariadb'].minimum}.18-MariaDB"


def port_block(name: str, attempt: int) -> int:
    """The first port of a stack's block: below the ports that the kernel gives out itself."""
    start = int(hashlib.sha256(name.encode()).hexdigest()[:8], 16)
    return 20000 + 10 * ((start + attempt) % 1000)


def search_modules(tree: Path) -> tuple[str, ...]:
    """The modules of a tree that cannot do without a search engine, from its folders."""
    return tuple(
        name
        for name, folder in SEARCH_MODULES.items()
        if any((tree / place).is_dir() for place in _module_folders(folder))
    )


def _module_folders(name: str) -> Iterable[str]:
    package = re.sub(r"(?<=[a-z])(?=[A-Z0-9])|(?<=[0-9])(?=[A-Z])", "-", name).lower()
    return (f"vendor/magento/module-{package}", f"app/code/Magento/{name}")


def service_options() -> tuple[str, ...]:
    """Options of setup:install and setup:config:set: where the services are.

    A value of the form `@name` is a secret: the container's `kiln-magento` puts it in, so that it
    stands in no command line.
    """
    return (
        "--db-host=database",
        f"--db-name={DATABASE}",
        f"--db-user={DATABASE}",
        "--db-password=@database_password",
        "--cache-backend=redis",
        "--cache-backend-redis-server=cache",
        "--cache-backend-redis-db=0",
        "--page-cache=redis",
        "--page-cache-redis-server=cache",
        "--page-cache-redis-db=1",
        "--session-save=redis",
        "--session-save-redis-host=cache",
        "--session-save-redis-db=2",
        "--amqp-host=queue",
        "--amqp-port=5672",
        f"--amqp-user={QUEUE_USER}",
        "--amqp-password=@queue_password",
    )


def install_options(
    plan: DevelopmentPlan, disabled: Collection[str], *, anew: bool
) -> tuple[str, ...]:
    """Options of setup:install.

    Args:
        plan: the stack.
        disabled: modules that have no search engine to ask.
        anew: throw away what an installation that was killed has left in the database.
    """
    options = [
        *service_options(),
        "--key=@crypt_key",
        "--backend-frontname=admin",
        # The port may change; what counts is CONFIG__ in the container's environment.
        f"--base-url={plan.base_url}",
        "--use-rewrites=1",
        f"--admin-user={ADMIN_USER}",
        "--admin-password=@admin_password",
        "--admin-email=admin@example.com",
        "--admin-firstname=Local",
        "--admin-lastname=Admin",
    ]
    if "search" in plan.images:
        options += ["--search-engine=opensearch", "--opensearch-host=search"]
        options += ["--opensearch-port=9200"]
    if disabled:
        options.append(f"--disable-modules={','.join(disabled)}")
    if anew:
        options.append("--cleanup-database")
    return tuple(options)


def known_options(options: Iterable[str], help_text: str) -> tuple[str, ...]:
    """Those that the shop's own command has: modules bring options along, e.g. Magento_Amqp."""
    known = set(re.findall(r"--[a-z][a-z0-9_-]*", help_text))
    return tuple(option for option in options if option.partition("=")[0] in known)


@dataclass(frozen=True, slots=True)
class ShopState:
    """What is found in a running stack.

    Attributes:
        has_env: there is an env.php.
        ours: it names this stack's database, user and password.
        installed: it says that the installation came to its end.
        tables: in the stack's database.
        database: what setup:db:status ended with; None where it was not asked.
        configuration: what app:config:status ended with; None where it was not asked.
        said: what the two printed.
        interrupted: an installation has begun in this stack and not ended.
    """

    has_env: bool
    ours: bool
    installed: bool
    tables: int
    database: int | None = None
    configuration: int | None = None
    said: str = ""
    interrupted: bool = False


Step = Literal["reinstall", "install", "configure", "upgrade", "import", "ready", "broken"]


def next_step(state: ShopState) -> Step:
    """What must be done next for the shop to run.

    `reinstall` throws away what a killed installation left in the database; `configure` writes
    this stack's services into env.php; with `broken` neither can help.
    """
    if state.interrupted:
        return "reinstall"
    if not state.installed or state.tables == 0:
        return "install"
    if not state.ours:
        return "configure"
    if state.database == 2:
        return "upgrade"
    if state.database == 0 and state.configuration == 2:
        return "import"
    return "ready" if (state.database, state.configuration) == (0, 0) else "broken"
