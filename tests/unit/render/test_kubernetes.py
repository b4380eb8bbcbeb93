from collections.abc import Mapping
from typing import Any

import kubernetes_validate
import pytest
import yaml
from hypothesis import given, settings
from hypothesis import strategies as st

from builder.deploy.kubernetes import name_release
from builder.magento.delivery import plan_delivery
from builder.magento.paths import mount_points
from builder.plan.kubernetes import Cluster, ClusterRelease, name_consumers
from builder.project.deployment import ClaimMedia, Deploy
from builder.render.env_php import render_env_php
from builder.render.kubernetes import INSTALL, MANIFESTS, render_manifests
from builder.render.templates import quote_yaml, write_yaml_block
from tests.unit.conftest import Golden
from tests.unit.environments import FULL, make_environment
from tests.unit.records import make_image

VERSION = "2.4.7-p3"
CLAIM = {"media": {"claim": "shop-media"}}
EVERYTHING = {
    **CLAIM,
    "web": {"replicas": 3, "memory": "4g", "max_children": 20},
    "consumers": ["async.operations.all", "product_action_attribute.update"],
    "warm": ["/", "/women.html"],
}
# What YAML 1.1 or Go's readers take for something else than the text that it is.
NASTY = [
    "yes",
    "null",
    "~",
    "1e3",
    "0x1f",
    "12:30",
    "{{ x }}",
    "- a",
    "a: b",
    " # c",
    "'\"\\",
    "\n",
]
# All that UTF-8 can carry.
TEXT = st.text(st.characters(exclude_categories=["Cs"])) | st.sampled_from(NASTY)


def make_cluster(deploy: dict[str, Any]) -> Cluster:
    model = Deploy.model_validate(deploy)
    return Cluster(
        name="sample-production",
        shop="sample",
        environment="production",
        deploy=model,
        claim=model.media.claim if isinstance(model.media, ClaimMedia) else None,
        base_url="https://shop.example/",
        has_varnish=True,
        consumers=name_consumers(model.consumers),
    )


def make_release(deploy: dict[str, Any] = EVERYTHING, **changes: Any) -> ClusterRelease:
    delivery = plan_delivery(make_environment(FULL), VERSION, release="0123456789")
    values: dict[str, Any] = {
        "cluster": make_cluster(deploy),
        "id": "0123456789",
        "image": make_image("1"),
        "content_version": "20261102",
        "env_php": render_env_php(delivery),
        "variables": delivery.variables,
        "secrets": delivery.secrets,
        "writable": ("/tmp", *(f"/app/{one}" for one in mount_points() if one != "pub/media")),
    }
    return ClusterRelease(**{**values, **changes})


def documents(files: Mapping[str, str]) -> list[dict[str, Any]]:
    return [
        document
        for name in (*MANIFESTS, INSTALL)
        for document in yaml.safe_load_all(files[name])
        if document
    ]


def by_kind(release: ClusterRelease) -> dict[str, list[dict[str, Any]]]:
    found: dict[str, list[dict[str, Any]]] = {}
    for document in documents(render_manifests(release)):
        found.setdefault(document["kind"], []).append(document)
    return found


def pod_of(document: dict[str, Any]) -> dict[str, Any]:
    spec = document["spec"]
    template = (spec["jobTemplate"]["spec"] if "jobTemplate" in spec else spec)["template"]
    pod: dict[str, Any] = template["spec"]
    return pod


def pods(release: ClusterRelease) -> dict[str, dict[str, Any]]:
    return {
        document["metadata"]["labels"]["app.kubernetes.io/component"]: pod_of(document)
        for document in documents(render_manifests(release))
        if document["kind"] in ("Deployment", "Job", "CronJob")
    }


def test_manifests_are_as_reviewed(golden: Golden) -> None:
    for name, text in render_manifests(make_release()).items():
        golden.check(f"kubernetes/{name}", text)


# The first has every object and field that is used here; the others are those of today's clusters.
@pytest.mark.parametrize("version", ["1.29", "1.32", kubernetes_validate.latest_version()])
@pytest.mark.parametrize(
    "deploy", [EVERYTHING, CLAIM, {"media": {"object_storage": True}, "cron": False}]
)
def test_manifests_are_what_kubernetes_schemas_say(deploy: dict[str, Any], version: str) -> None:
    for document in documents(render_manifests(make_release(deploy))):
        kubernetes_validate.validate(document, version, strict=True)


def test_every_kind_that_a_shop_needs_is_there() -> None:
    kinds = {kind: len(found) for kind, found in by_kind(make_release()).items()}
    assert kinds == {
        "ConfigMap": 1,
        "Deployment": 4,
        "Service": 2,
        "Job": 2,
        "PodDisruptionBudget": 1,
        "CronJob": 1,
    }
    assert "CronJob" not in by_kind(make_release({**CLAIM, "cron": False}))


def test_a_pod_may_do_no_more_than_a_container_on_a_host() -> None:
    for pod in pods(make_release()).values():
        (container,) = pod["containers"]
        assert container["image"] == make_image("1")
        assert pod["automountServiceAccountToken"] is False
        assert (pod["securityContext"]["runAsUser"], pod["securityContext"]["fsGroup"]) == (33, 33)
        assert container["securityContext"] == {
            "readOnlyRootFilesystem": True,
            "allowPrivilegeEscalation": False,
            "capabilities": {"drop": ["ALL"]},
        }
        mounted = {mount["name"] for mount in container["volumeMounts"]}
        assert mounted == {volume["name"] for volume in pod["volumes"]}


def test_secrets_are_files_and_nothing_else() -> None:
    release = make_release()
    for role, pod in pods(release).items():
        sources = [volume["secret"] for volume in pod["volumes"] if "secret" in volume]
        if role.startswith("static-"):
            assert sources == []
            continue
        assert [item["key"] for item in sources[0]["items"]] == list(release.secrets)
        # Read by the group, 33, and by nobody else.
        assert sources[0]["defaultMode"] == 0o440
        assert all("value" in one for one in pod["containers"][0]["env"])


def test_media_in_an_object_storage_are_no_volume() -> None:
    release = make_release({"media": {"object_storage": True}})
    (media,) = (one for one in pods(release)["web"]["volumes"] if one["name"] == "media")
    assert media == {"name": "media", "emptyDir": {}}


def test_an_older_release_keeps_its_settings_and_static_files() -> None:
    old, new = make_release(), make_release(id="9876543210", content_version="20261103")
    for kind, at in (("ConfigMap", 0), ("Deployment", 0), ("Service", 0), ("Job", 0)):
        names = {by_kind(one)[kind][at]["metadata"]["name"] for one in (old, new)}
        assert len(names) == 2, kind


def test_a_selector_finds_the_pods_of_its_own_workload_alone() -> None:
    found = by_kind(make_release())
    labels = [one["spec"]["template"]["metadata"]["labels"] for one in found["Deployment"]]
    labels.append(
        found["CronJob"][0]["spec"]["jobTemplate"]["spec"]["template"]["metadata"]["labels"]
    )
    selectors = [one["spec"]["selector"]["matchLabels"] for one in found["Deployment"]]
    selectors += [one["spec"]["selector"] for one in found["Service"]]
    for selector in selectors:
        assert sum(selector.items() <= one.items() for one in labels) == 1


def test_rendering_is_deterministic_and_another_setting_is_another_release() -> None:
    assert render_manifests(make_release()) == render_manifests(make_release())
    delivery = plan_delivery(make_environment(FULL), VERSION)
    names = {
        name_release(make_cluster(deploy), image, delivery)
        for deploy in (EVERYTHING, CLAIM)
        for image in (make_image("1"), make_image("1"), make_image("2"))
    }
    assert len(names) == 4


@given(TEXT)
def test_any_text_is_read_back_as_it_is(text: str) -> None:
    assert yaml.safe_load(quote_yaml(text)) == text
    assert yaml.safe_load(f"a: {quote_yaml([text, {text: text}])}") == {"a": [text, {text: text}]}


@given(st.lists(TEXT).map("\n".join) | TEXT)
def test_any_lines_are_read_back_as_they_are(text: str) -> None:
    written = f"data:\n  env.php: {write_yaml_block(text, 4)}\nnext: 1\n"
    assert yaml.safe_load(written) == {"data": {"env.php": text}, "next": 1}


@settings(max_examples=20)
@given(TEXT)
def test_any_value_arrives_where_it_belongs(text: str) -> None:
    release = make_release(env_php=f"<?php\n{text}\n", variables={"MAGE_MODE": text})
    found = by_kind(release)
    assert found["ConfigMap"][0]["data"]["env.php"] == release.env_php
    assert {"name": "MAGE_MODE", "value": text} in pods(release)["web"]["containers"][0]["env"]
