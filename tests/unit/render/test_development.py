from pathlib import Path

import pytest
import yaml

from builder.magento.delivery import plan_delivery
from builder.plan.development import DevelopmentPlan, Ports
from builder.render.development import render_compose, render_images, render_settings
from tests.unit.conftest import Golden
from tests.unit.environments import make_environment, with_settings
from tests.unit.plans import make_development_plan

VARIANTS: dict[str, DevelopmentPlan] = {
    "plain": make_development_plan(),
    "named-images": make_development_plan(
        root=Path("/home/mia/mein $Laden: \"größer\", 'neu'\nx: {y"),
        database_version=None,
        images={
            "database": "mariadb:10.6",
            "cache": "valkey/valkey:8.1",
            "queue": "rabbitmq:3.13-management",
            "mail": "axllent/mailpit",
            "search": "opensearchproject/opensearch:2.19.0",
        },
        readable={
            "ca_bundle": Path("/etc/ssl/certs/ca-certificates.crt"),
            "composer_auth": Path("/home/mia/.composer/auth.json"),
        },
        xdebug=True,
    ),
}


# The name of an image follows from all that is in it; what that is has golden files of its own.
def masked(plan: DevelopmentPlan) -> str:
    text = render_compose(plan)
    for image in render_images(plan):
        text = text.replace(image.name, f"kiln-dev-{image.service}:NAME")
    return text


@pytest.mark.parametrize("name", VARIANTS)
def test_the_compose_file_is_as_reviewed(golden: Golden, name: str) -> None:
    golden.check(f"development/{name}.yaml", masked(VARIANTS[name]))


@pytest.mark.parametrize("service", ["web", "database", "cache", "queue", "mail"])
def test_the_dockerfiles_are_as_reviewed(golden: Golden, service: str) -> None:
    (image,) = (one for one in render_images(VARIANTS["plain"]) if one.service == service)
    golden.check(f"development/{service}.Dockerfile", image.dockerfile)


def test_a_tree_of_any_name_is_mounted_as_it_is() -> None:
    plan = VARIANTS["named-images"]
    (mount, _, _) = yaml.safe_load(render_compose(plan))["services"]["web"]["volumes"]
    # Compose reads `$$` as `$`.
    assert mount["source"].replace("$$", "$") == str(plan.root)


def test_every_port_is_published_to_this_host_alone() -> None:
    services = yaml.safe_load(render_compose(make_development_plan()))["services"]
    published = [port for service in services.values() for port in service.get("ports", [])]
    assert len(published) == len(Ports.block(20000).all())
    assert all(port.startswith("127.0.0.1:") for port in published)


def test_no_service_has_a_secret_in_its_environment() -> None:
    services = yaml.safe_load(render_compose(VARIANTS["named-images"]))["services"]
    given = {
        name: value
        for service in services.values()
        for name, value in service.get("environment", {}).items()
        if "PASS" in name
    }
    assert given == {
        "MARIADB_PASSWORD_FILE": "/run/secrets/database_password",
        "MARIADB_RANDOM_ROOT_PASSWORD": "1",
    }


def test_stacks_of_one_kind_share_their_images() -> None:
    one, other = (make_development_plan(name=name, uid=uid) for name, uid in (("a", 1), ("b", 2)))
    assert [i.name for i in render_images(one)] == [i.name for i in render_images(other)]


def test_another_php_is_another_image_of_the_shop_alone() -> None:
    one, other = (
        {image.service: image.name for image in render_images(make_development_plan(**changes))}
        for changes in ({}, {"debian_packages": ("nginx-light", "php8.2-cli", "php8.2-gd")})
    )
    assert {name for name in one if one[name] != other[name]} == {"web"}


def test_settings_of_a_development_system_are_as_reviewed(golden: Golden) -> None:
    awkward = {
        "default": {"acme/text/quotes": "it's $a {{ 7*7 }} ?>", "acme/api/key": {"secret": "key"}}
    }
    delivery = plan_delivery(make_environment(with_settings(**awkward)), "2.4.7")
    golden.check("development/settings.php", render_settings(delivery))


def test_without_settings_php_is_told_nothing() -> None:
    assert "$_ENV" not in render_settings(None)
