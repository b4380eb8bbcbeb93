from typing import Any

import pytest
from pydantic import ValidationError

from builder.project.environment import EnvironmentFile
from builder.project.references import referenced_secrets
from builder.project.secret_name import Secret


def environment(**changes: Any) -> EnvironmentFile:
    return EnvironmentFile.model_validate(
        {
            "services": {
                "database": {
                    "host": "db",
                    "name": "shop",
                    "user": "shop",
                    "password": {"secret": "db"},
                },
                "session": {"host": "redis", "password": {"secret": "redis"}},
                "queue": {"host": "mq", "user": "shop", "password": {"secret": "mq"}},
            },
            "crypt_key": {"secret": "crypt-key"},
            "secrets": {"directory": "x"},
            "settings": {
                "default": {"a/b/c": {"secret": "ups"}, "a/b/d": "secret", "a/b/e": None},
                "websites": {"base": {"a/b/c": {"secret": "ups"}}},
                "stores": {"german": {"a/b/c": {"secret": "other"}}},
            },
            **changes,
        }
    )


def test_every_secret_is_found_with_all_that_names_it() -> None:
    assert referenced_secrets(environment()) == {
        "crypt-key": (("crypt_key",),),
        "db": (("services", "database", "password"),),
        "mq": (("services", "queue", "password"),),
        "other": (("settings", "stores", "german", "a/b/c"),),
        "redis": (("services", "session", "password"),),
        "ups": (
            ("settings", "default", "a/b/c"),
            ("settings", "websites", "base", "a/b/c"),
        ),
    }


@pytest.mark.parametrize(
    "name",
    ["../x", "a/b", "/etc/passwd", ".", "..", ".hidden", "A", "a--b", "", "x\n", "x\0y", "a" * 64],
)
def test_a_name_that_could_leave_its_folder_is_refused_by_the_model(name: str) -> None:
    with pytest.raises(ValidationError):
        Secret(secret=name)
