"""Environments to test with."""

from typing import Any

import yaml

from builder.project.environment import EnvironmentFile
from builder.project.environments import Environment
from builder.project.yaml_file import read_yaml, validate

MINIMAL: dict[str, Any] = {
    "secrets": {"directory": "/etc/kiln/secrets"},
    "crypt_key": {"secret": "crypt-key"},
    "services": {
        "database": {
            "host": "db",
            "name": "shop",
            "user": "shop",
            "password": {"secret": "db-password"},
        }
    },
}
FULL: dict[str, Any] = {
    "secrets": {"directory": "/etc/kiln/secrets"},
    "crypt_key": {"secret": "crypt-key"},
    "admin_path": "shopkeeper",
    "settings": {
        "default": {
            "web/secure/base_url": "https://shop.example/",
            "web/secure/use_in_frontend": True,
            "carriers/ups/password": {"secret": "ups-password"},
            "acme/someFeature/isOn": 1,
            "general/store_information/name": None,
            "acme/text/quotes": 'it\'s $a "b" \\ ?> <?php {{ 7*7 }}\nline',
        },
        "websites": {"base": {"web/unsecure/base_url": "http://base.example/"}},
        "stores": {
            "german": {"general/store_information/name": "Größe"},
            "DE": {"general/store_information/phone": "030"},
        },
    },
    "services": {
        "database": {
            "host": "db.internal",
            "port": 3307,
            "name": "shop",
            "user": "shop",
            "password": {"secret": "db-password"},
            "table_prefix": "m2_",
            "tls_ca": "/etc/ssl/certs/db.pem",
        },
        "cache": {"host": "redis", "database": 0, "password": {"secret": "redis-password"}},
        "page_cache": {"host": "redis", "database": 1, "password": {"secret": "redis-password"}},
        "session": {"host": "redis", "port": 6380, "database": 2},
        "queue": {
            "host": "mq",
            "user": "shop",
            "password": {"secret": "mq-password"},
            "virtual_host": "/shop",
            "tls": True,
        },
        "search": {
            "host": "search",
            "user": "shop",
            "password": {"secret": "search-password"},
            "index_prefix": "shop",
        },
        "varnish": [{"host": "varnish-1"}, {"host": "varnish-2", "port": 6081}],
        "lock": "file",
    },
}


def make_environment(value: dict[str, Any], name: str = "production") -> Environment:
    """An environment as its file would give it, with the lines of that file."""
    # Escaped: PyYAML writes U+0085 as it is, and reads it as a line break.
    text = yaml.safe_dump(value, sort_keys=False).encode()
    read, marks = read_yaml(text, f"environments/{name}.yaml")
    return Environment(name, validate(EnvironmentFile, read, marks), marks)


def with_services(**services: Any) -> dict[str, Any]:
    """The minimal environment with further services."""
    return {**MINIMAL, "services": {**MINIMAL["services"], **services}}


def with_settings(**settings: Any) -> dict[str, Any]:
    """The minimal environment with settings."""
    return {**MINIMAL, "settings": settings}
