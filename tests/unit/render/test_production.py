from typing import Any

import yaml

from builder.project.deployment import Deploy
from builder.render.production import render_release, render_services
from tests.unit.records import make_image, make_release, make_stack


def services(deploy: Deploy) -> dict[str, Any]:
    images = {"proxy": make_image("1"), "database": make_image("2")}
    text = render_services(make_stack(deploy=deploy), images, "/run/kiln/services", None)
    found: dict[str, Any] = yaml.safe_load(text)["services"]
    return found


def test_the_proxy_has_no_secrets_without_https() -> None:
    proxy = services(Deploy())["proxy"]
    assert proxy["ports"] == ["80:8080"]
    assert [one["target"] for one in proxy["volumes"]] == ["/proxy"]


def test_the_certificate_is_in_a_folder_of_the_proxy_alone() -> None:
    deploy = Deploy.model_validate({"https": {"certificate": {"secret": "tls-certificate"}}})
    found = services(deploy)
    proxy = found.pop("proxy")
    assert proxy["ports"] == ["80:8080", "443:8443"]
    (mount,) = (one for one in proxy["volumes"] if one["target"] == "/run/secrets")
    assert mount["source"] == "/run/kiln/sample-production/proxy"
    assert mount["read_only"]
    others = [one for service in found.values() for one in service["volumes"]]
    assert mount["source"] not in [one["source"] for one in others if isinstance(one, dict)]


def web(deploy: Deploy) -> dict[str, Any]:
    text = render_release(
        make_stack(deploy=deploy),
        make_release(1),
        "sample-production-r1",
        env_php="/var/lib/kiln/env.php",
        secrets="/run/kiln/1",
        writable=["/tmp", "/app/pub/media"],
    )
    # A word of compose that YAML does not know.
    found: dict[str, Any] = yaml.safe_load(text.replace("!override ", ""))["services"]["web-1"]
    return found


def test_all_containers_share_one_volume_for_media() -> None:
    found = web(Deploy())
    assert "media:/app/pub/media" in found["volumes"]
    assert found["tmpfs"] == ["/tmp:mode=1777"]


def test_with_an_object_storage_the_folder_for_media_is_of_one_container() -> None:
    found = web(Deploy.model_validate({"media": {"object_storage": True}}))
    assert "media:/app/pub/media" not in found["volumes"]
    assert found["tmpfs"] == ["/tmp:mode=1777", "/app/pub/media:mode=1777"]
