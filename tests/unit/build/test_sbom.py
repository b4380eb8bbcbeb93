"""The bill of materials: valid CycloneDX, the same bytes for the same image."""

import json
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta, timezone
from typing import Any

import pytest
from cyclonedx.schema import SchemaVersion
from cyclonedx.validation.json import JsonStrictValidator

from builder.build.sbom import DebianPackage, build_sbom, parse_dpkg
from builder.errors import BuildError

DIGEST = "sha256:" + "ab" * 32
CREATED = datetime(2026, 5, 4, 3, 2, 1, tzinfo=UTC)


@dataclass(frozen=True)
class Package:
    name: str
    version: str
    licences: tuple[str, ...] = ()
    reference: str | None = None


COMPOSER = [
    Package("magento/framework", "103.0.7-p3", ("OSL-3.0", "AFL-3.0"), "d34db33f"),
    Package("monolog/monolog", "2.9.1", ("MIT",)),
    Package("shop/private", "dev-main", ("proprietary",)),
    Package("shop/dual", "v1.0.0", ("MIT OR Apache-2.0",)),
    Package("shop/mixed", "1.0", ("MIT OR Apache-2.0", "GPL-3.0-only")),
    Package("shop/none", "1.0+build"),
]
DEBIAN = [
    DebianPackage("libssl3", "3.0.15-1~deb12u1", "amd64", "openssl"),
    DebianPackage("ca-certificates", "20230311", "all", "ca-certificates"),
    DebianPackage("libstdc++6", "12.2.0-14", "amd64", "gcc-12"),
    DebianPackage("mount", "1:2.38.1-5", "amd64", "util-linux"),
]


def build(composer: list[Package] = COMPOSER, debian: list[DebianPackage] = DEBIAN) -> str:
    return build_sbom(composer, debian, "shop.example:5000/web", DIGEST, CREATED)


def components(text: str) -> dict[str, Any]:
    return {component["name"]: component for component in json.loads(text)["components"]}


def test_it_is_valid_cyclonedx_1_6() -> None:
    assert JsonStrictValidator(SchemaVersion.V1_6).validate_str(build()) is None
    assert json.loads(build())["specVersion"] == "1.6"


def test_an_image_without_packages_gives_a_valid_one_too() -> None:
    text = build_sbom([], [], "web", DIGEST, CREATED)
    assert JsonStrictValidator(SchemaVersion.V1_6).validate_str(text) is None


def test_it_is_the_same_for_the_same_image_whatever_the_order() -> None:
    assert build() == build(COMPOSER[::-1], DEBIAN[::-1])
    assert build() == build(COMPOSER * 2, DEBIAN * 2)


def test_it_names_the_image_and_its_digest() -> None:
    document = json.loads(build())
    image = document["metadata"]["component"]
    assert image["type"] == "container"
    assert image["name"] == "shop.example:5000/web"
    assert image["version"] == DIGEST
    assert image["hashes"] == [{"alg": "SHA-256", "content": "ab" * 32}]
    assert document["metadata"]["timestamp"] == "2026-05-04T03:02:01+00:00"


def test_the_serial_number_comes_from_the_digest() -> None:
    other = build_sbom([], [], "web", "sha256:" + "cd" * 32, CREATED)
    same = build_sbom([], [], "another/name", DIGEST, CREATED)
    serial = json.loads(build())["serialNumber"]
    assert serial == json.loads(same)["serialNumber"] != json.loads(other)["serialNumber"]
    # Changing the namespace would give every image of the past another serial number.
    assert serial == "urn:uuid:fb8b619f-8af8-5da1-9e9a-a3ba9930ae85"


def test_composer_packages_have_url_licences_and_reference() -> None:
    found = components(build())
    framework = found["framework"]
    assert framework["group"] == "magento"
    assert framework["purl"] == "pkg:composer/magento/framework@103.0.7-p3"
    assert framework["properties"] == [
        {"name": "cdx:composer:package:distReference", "value": "d34db33f"}
    ]
    assert {item["license"]["id"] for item in framework["licenses"]} == {"OSL-3.0", "AFL-3.0"}
    assert found["private"]["licenses"] == [{"license": {"name": "proprietary"}}]
    assert found["dual"]["licenses"] == [{"expression": "MIT OR Apache-2.0"}]
    assert "licenses" not in found["none"]
    assert found["none"]["purl"] == "pkg:composer/shop/none@1.0%2Bbuild"


def test_debian_packages_have_url_and_source() -> None:
    found = components(build())
    assert found["libssl3"]["purl"] == (
        "pkg:deb/debian/libssl3@3.0.15-1~deb12u1?arch=amd64&distro=bookworm&upstream=openssl"
    )
    assert found["ca-certificates"]["purl"] == (
        "pkg:deb/debian/ca-certificates@20230311?arch=all&distro=bookworm"
    )
    assert found["mount"]["version"] == "1:2.38.1-5"
    assert "?arch=amd64&distro=bookworm&upstream=gcc-12" in found["libstdc++6"]["purl"]


def test_the_image_depends_on_every_package() -> None:
    document = json.loads(build())
    image = document["metadata"]["component"]["bom-ref"]
    (edges,) = [e["dependsOn"] for e in document["dependencies"] if e["ref"] == image]
    assert sorted(edges) == sorted(c["bom-ref"] for c in document["components"])


def test_times_and_digests_that_are_none_are_refused() -> None:
    with pytest.raises(ValueError, match="digest"):
        build_sbom([], [], "web", "sha256:ab", CREATED)
    with pytest.raises(ValueError, match="time zone"):
        build_sbom([], [], "web", DIGEST, datetime(2026, 1, 1))
    east = CREATED.astimezone(timezone(timedelta(hours=2)))
    text = build_sbom([], [], "web", DIGEST, east)
    assert JsonStrictValidator(SchemaVersion.V1_6).validate_str(text) is None


def test_dpkgs_list_is_read() -> None:
    text = (
        "adduser\t3.134\tall\tadduser\n"
        "libc6:amd64\t2.36-9+deb12u9\tamd64\tglibc\n"
        "removed\t\t\tremoved\n"
        "\n"
    )
    assert parse_dpkg(text) == (
        DebianPackage("adduser", "3.134", "all", "adduser"),
        DebianPackage("libc6", "2.36-9+deb12u9", "amd64", "glibc"),
    )
    assert parse_dpkg("") == ()


def test_what_is_not_dpkgs_list_is_refused_with_its_line() -> None:
    with pytest.raises(BuildError, match="not a line of dpkg-query") as caught:
        parse_dpkg("a\t1\tall\ta\ndpkg-query: error: x\n")
    assert caught.value.where.endswith(":2")
