"""Plans for tests, with every value that a test does not care about."""

from collections.abc import Mapping
from ipaddress import IPv4Network
from pathlib import Path
from typing import Any, Literal

from builder.magento.shop import Shop
from builder.magento.themes import Theme
from builder.plan.build import BuildPlan, InputGroup, StaticStage, make_group, plan_static
from builder.plan.development import DevelopmentPlan, Ports
from builder.plan.proxy import Listener, ProxyPlan, Timeouts
from builder.project.model import Static
from builder.project.tree import Entry

BASE = "localhost:5000/kiln/base:bookworm@sha256:" + "a" * 64
SHOP = Shop(
    edition="community",
    version="2.4.7-p3",
    php_version="8.2",
    php_packages=(),
    suite="bookworm",
    has_vendor=True,
    packages=(),
    composer_inputs=frozenset({"composer.json", "composer.lock"}),
    minify_html=False,
    kept_paths=(),
    themes=(
        Theme("adminhtml/Magento/backend", "vendor/magento/theme-adminhtml-backend", ()),
        Theme(
            "frontend/Acme/child",
            "app/design/frontend/Acme/child",
            ("frontend/Acme/shop", "frontend/Magento/blank"),
        ),
        Theme("frontend/Acme/shop", "app/design/frontend/Acme/shop", ("frontend/Magento/blank",)),
        Theme("frontend/Magento/blank", "vendor/magento/theme-frontend-blank", ()),
        Theme(
            "frontend/Magento/luma",
            "vendor/magento/theme-frontend-luma",
            ("frontend/Magento/blank",),
        ),
    ),
)


def make_entry(path: str, digest: str = "0" * 64, size: int = 1) -> Entry:
    return Entry(path, size, False, digest)


def groups(*names: str) -> tuple[InputGroup, ...]:
    return tuple(make_group(name, [make_entry(f"{name}.php")]) for name in names)


def make_static(
    themes: Mapping[str, tuple[str, ...]], strategy: Literal["quick", "compact"] = "quick"
) -> tuple[StaticStage, ...]:
    return plan_static(Static(strategy=strategy, themes=dict(themes)), SHOP.themes)


def make_plan(**changes: Any) -> BuildPlan:
    values: dict[str, Any] = {
        "shop_name": "sample",
        "repository": "localhost:5000/sample",
        "magento_edition": "community",
        "magento_version": "2.4.7-p3",
        "php_version": "8.2",
        "php_memory_limit": "768M",
        "base": BASE,
        "own_base": False,
        "mirror": None,
        "debian_packages": ("nginx-light", "php8.2-cli", "php8.2-fpm"),
        "groups": groups(
            *("code", "composer", "template"),
            *("vendor-code", "vendor-template", "vendor-view", "view"),
        ),
        "has_vendor": True,
        "minify_html": False,
        "patches": (),
        "before_compile": (),
        "frontend": (),
        "static_strategy": "quick",
        "static": make_static({"frontend/Magento/luma": ("en_US",)}),
        "secrets": (),
        "has_ca_bundle": False,
        "kept_paths": (),
        "compression": "zstd",
        "epoch": 1577836800,
    }
    return BuildPlan(**{**values, **changes})


def make_development_plan(**changes: Any) -> DevelopmentPlan:
    values: dict[str, Any] = {
        "name": "sample-dev-0123abcd",
        "shop_name": "sample",
        "root": Path("/home/mia/shop"),
        "state": Path("/home/mia/.cache/kiln/sample/dev"),
        "uid": 1000,
        "gid": 1000,
        "base": BASE,
        "mirror": None,
        "php_version": "8.2",
        "php_memory_limit": "768M",
        "debian_packages": ("nginx-light", "php8.2-cli", "php8.2-fpm"),
        "database_version": "10.6.18-MariaDB",
        "images": {},
        "readable": {},
        "secrets_id": "5ecre75",
        "settings_id": "",
        "ports": Ports.block(20000),
        "xdebug": False,
    }
    return DevelopmentPlan(**{**values, **changes})


def make_proxy_plan(**changes: Any) -> ProxyPlan:
    values: dict[str, Any] = {
        "name": "sample-production",
        "subnet": IPv4Network("10.231.7.0/24"),
        "replicas": 2,
        "assets": 3,
        "listeners": (Listener(8080),),
        "allowed": (),
        "trusted": (),
        "retry_after": 120,
        "timeouts": Timeouts(request=60, keep_alive=15, drain=90),
        "max_connections": 4000,
        "page": "<!doctype html><title>Back soon</title><p>Back soon.",
    }
    return ProxyPlan(**{**values, **changes})
