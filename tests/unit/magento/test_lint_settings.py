from pathlib import Path
from typing import Any

import pytest

from builder.errors import ProjectFileError
from builder.magento.finding import Finding
from builder.magento.lint_settings import (
    Systems,
    find_fights,
    find_missing,
    find_plain_secrets,
    findings_of,
    warn_drift,
    warn_misplaced_types,
    warn_missing,
)
from builder.project.environments import load_environment
from tests.unit.environments import MINIMAL, make_environment, with_services, with_settings
from tests.unit.shops import DI, locked, make_shop, only


def systems(**settings: dict[str, Any]) -> Systems:
    """Environments by name, each with its settings for all websites."""
    return Systems.of(
        [make_environment(with_settings(default=one), name) for name, one in settings.items()]
    )


@pytest.mark.parametrize("path", ["acme/api/key", "acme/mail/password"])
def test_a_secret_in_plain_text_is_found_and_not_printed(tmp_path: Path, path: str) -> None:
    found = find_plain_secrets(make_shop(tmp_path), systems(staging={path: "geheim"}))
    finding = only(found)
    assert finding.where.startswith("environments/staging.yaml:")
    assert "geheim" not in repr(finding)


@pytest.mark.parametrize("value", [{"secret": "api-key"}, None, ""])
def test_a_secret_that_is_named_or_empty_is_right(tmp_path: Path, value: object) -> None:
    given = systems(staging={"acme/api/key": value})
    assert list(find_plain_secrets(make_shop(tmp_path), given)) == []


def test_a_secret_that_two_environments_inherit_is_found_once(tmp_path: Path) -> None:
    folder = tmp_path / "environments"
    folder.mkdir()
    (folder / "base.yaml").write_text(
        "abstract: true\nservices: {database: {host: d, name: s, user: s, password: {secret: p}}}\n"
        "crypt_key: {secret: k}\nsettings: {default: {acme/api/key: geheim}}\n"
    )
    for name in ("staging", "production"):
        (folder / f"{name}.yaml").write_text("extends: base\nsecrets: {directory: /s}\n")
    loaded = [load_environment(tmp_path, name) for name in ("base", "staging", "production")]
    finding = only(find_plain_secrets(make_shop(tmp_path), Systems.of(loaded)))
    assert finding.where == "environments/base.yaml:4"


def test_a_locked_setting_that_an_environment_gives_otherwise_is_a_fight(tmp_path: Path) -> None:
    shop = make_shop(tmp_path, locked("text", "welcome", "'Hi'"))
    given = systems(a={"acme/text/welcome": "Hi"}, b={"acme/text/welcome": "Ho"}, c={})
    finding = only(find_fights(shop, given))
    assert finding.where == "app/etc/config.php:26"
    assert "b (environments/b.yaml:" in finding.message
    assert "a (environments/a.yaml:" not in finding.message


def test_another_scope_or_the_same_value_is_no_fight(tmp_path: Path) -> None:
    shop = make_shop(tmp_path, locked("text", "welcome", "1"))
    german = make_environment(with_settings(stores={"german": {"acme/text/welcome": "Ho"}}))
    assert list(find_fights(shop, Systems.of([german]))) == []
    for same in (1, "1", True, None):
        assert list(find_fights(shop, systems(a={"acme/text/welcome": same}))) == []


def test_what_one_environment_lacks_is_found_in_its_own_file(tmp_path: Path) -> None:
    given = systems(staging={"acme/api/url": "http://a/"}, production={"acme/text/welcome": "x"})
    shop = make_shop(tmp_path)
    finding = only(find_missing(shop, given))
    assert finding.message.startswith("production has no acme/api/url (default), which staging has")
    assert finding.where.startswith("environments/production.yaml:")
    shared = only(warn_missing(shop, given))
    assert shared.message.startswith("staging has no acme/text/welcome (default)")


def test_null_or_config_php_makes_up_for_a_missing_value(tmp_path: Path) -> None:
    given = systems(staging={"acme/api/url": "http://a/"}, production={"acme/api/url": None})
    assert list(find_missing(make_shop(tmp_path), given)) == []
    lacking = systems(staging={"acme/api/url": "http://a/"}, production={})
    shop = make_shop(tmp_path, locked("api", "url", "'http://a/'"))
    assert list(find_missing(shop, lacking)) == []


def test_a_service_that_one_environment_lacks_is_warned_of(tmp_path: Path) -> None:
    given = Systems.of(
        [
            make_environment(with_services(session={"host": "redis"}), "production"),
            make_environment(MINIMAL, "staging"),
        ]
    )
    finding = only(warn_missing(make_shop(tmp_path), given))
    assert finding.message.startswith("staging has no services.session, which production has")


def test_shared_settings_in_environments_can_drift(tmp_path: Path) -> None:
    path, shop = "acme/text/welcome", make_shop(tmp_path)
    differing = only(warn_drift(shop, systems(a={path: "x"}, b={path: "y"})))
    assert "differs between a and b" in differing.message
    same = only(warn_drift(shop, systems(a={path: "x"}, b={path: "x"})))
    assert "is the same in every environment" in same.message
    assert list(warn_drift(shop, systems(a={path: "x"}, b={}))) == []
    assert list(warn_drift(shop, systems(a={"acme/api/url": "x"}, b={"acme/api/url": "y"}))) == []


def test_a_value_that_config_php_has_already_is_warned_of(tmp_path: Path) -> None:
    shop = make_shop(tmp_path, locked("text", "welcome", "'x'"))
    finding = only(warn_drift(shop, systems(a={"acme/text/welcome": "x"}, b={})))
    assert "app/etc/config.php:26" in finding.message
    assert finding.where.startswith("environments/a.yaml:")


def test_types_in_an_areas_di_xml_are_warned_of() -> None:
    files = [("a/etc/adminhtml/di.xml", DI.encode()), ("b/etc/adminhtml/di.xml", b"<config/>")]
    finding = only(warn_misplaced_types([*files, ("a/etc/di.xml", DI.encode())]))
    assert finding.where == "a/etc/adminhtml/di.xml:3"
    assert "area" in finding.message


def test_a_leading_backslash_is_warned_of() -> None:
    content = DI.replace('"Magento', '"\\Magento').encode()
    finding = only(warn_misplaced_types([("a/etc/di.xml", content)]))
    assert finding.where == "a/etc/di.xml:3"
    assert "backslash" in finding.message


def test_the_problems_of_an_environment_are_told_apart() -> None:
    several = ProjectFileError(
        "2 settings cannot work",
        where="environments/a.yaml",
        hint="do",
        details=("environments/a.yaml:3 web: is wrong", "without a place"),
    )
    assert list(findings_of(several)) == [
        Finding("web: is wrong", "environments/a.yaml:3", "do"),
        Finding("without a place", "environments/a.yaml", "do"),
    ]
    one = ProjectFileError("is wrong", where="environments/a.yaml:4", hint="do")
    assert list(findings_of(one)) == [Finding("is wrong", "environments/a.yaml:4", "do")]


def test_development_may_lack_what_the_others_have(tmp_path: Path) -> None:
    shop = make_shop(tmp_path)
    found = systems(development={}, production={"acme/api/url": "https://a/", "acme/a/b": "x"})
    assert list(find_missing(shop, found)) == []
    assert list(warn_missing(shop, found)) == []


def test_what_development_gives_the_others_must_have(tmp_path: Path) -> None:
    found = systems(development={"acme/api/url": "http://a/"}, production={})
    assert (
        "production has no acme/api/url" in only(find_missing(make_shop(tmp_path), found)).message
    )
