from typing import Any

import pytest

from builder.magento.delivery import plan_delivery
from builder.magento.env_tree import SecretRef
from builder.magento.php_array import read_php_file
from builder.render.env_php import render_env_php
from builder.render.templates import write_php
from tests.unit.conftest import Golden
from tests.unit.environments import FULL, MINIMAL, make_environment, with_settings

VERSION = "2.4.7-p3"


def render(value: dict[str, Any], **options: Any) -> str:
    return render_env_php(plan_delivery(make_environment(value), VERSION, **options))


def test_env_php_is_as_reviewed(golden: Golden) -> None:
    golden.check("env/minimal.php", render(MINIMAL))
    golden.check("env/full.php", render(FULL, release="2026-11-02.1"))
    golden.check("env/developer.php", render({**MINIMAL, "mode": "developer"}))


def test_rendering_is_deterministic() -> None:
    assert render(FULL, release="r") == render(FULL, release="r")


def test_a_template_in_a_value_is_text() -> None:
    text = "{{ 7 * 7 }}{% for x in range(9) %}{# gone #}"
    assert f"'{text}'" in render(with_settings(default={"a/b/c": text}))


def test_php_in_a_value_is_text() -> None:
    rendered = render(with_settings(default={"a/b/c": "'; system('id'); // ?> <?php echo 1;"}))
    assert r"= '\'; system(\'id\'); // ?> <?php echo 1;';" in rendered


@pytest.mark.parametrize(
    "value",
    [None, True, False, 0, -7, 2**62, "", "a'b\\", "\\'", "$x {$y} ?>", {}, {"a": {0: "x", 1: {}}}],
)
def test_a_literal_is_what_php_reads(value: Any) -> None:
    source = f"<?php return ['v' => {write_php(value)}];".encode()
    assert read_php_file(source, "x.php").value == {"v": value}


def test_a_secret_is_a_call_and_no_value() -> None:
    assert write_php(SecretRef("db-password")) == "$secret('db-password')"
    assert write_php({"k": SecretRef("c", "crypt_key")}) == "[\n    'k' => $cryptKey('c'),\n]"


def test_what_php_has_no_literal_for_is_refused() -> None:
    with pytest.raises(TypeError):
        write_php(object())  # type: ignore[arg-type]
