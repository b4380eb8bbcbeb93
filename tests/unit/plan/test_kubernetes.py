from pathlib import Path
from typing import Any

import pytest

from builder.errors import ProjectFileError
from builder.plan.kubernetes import Cluster, name_consumers, plan_cluster
from builder.project.loading import load_project
from tests.unit.environments import MINIMAL, make_environment, with_services

CLAIM = {"claim": "shop-media"}


def make_cluster(
    folder: Path, environment: dict[str, Any], shop: str = "sample", **deploy: Any
) -> Cluster:
    (folder / "kiln.yaml").write_text(
        f"name: {shop}\nstatic:\n  themes:\n    frontend/Magento/luma: [en_US]\n"
    )
    value = {**environment, "deploy": {"media": CLAIM, **deploy}}
    return plan_cluster(load_project(folder), make_environment(value))


def refusal(folder: Path, environment: dict[str, Any], **options: Any) -> str:
    with pytest.raises(ProjectFileError) as caught:
        make_cluster(folder, environment, **options)
    assert caught.value.where.startswith("environments/production.yaml")
    return " ".join([caught.value.message, *caught.value.details, caught.value.hint])


def test_media_are_in_a_claim_or_in_an_object_storage(tmp_path: Path) -> None:
    assert make_cluster(tmp_path, MINIMAL).claim == "shop-media"
    assert make_cluster(tmp_path, MINIMAL, media={"object_storage": True}).claim is None


@pytest.mark.parametrize("replicas", [1, 3])
def test_media_that_pods_would_not_share_are_refused(tmp_path: Path, replicas: int) -> None:
    for media in (None, {"volume": {"driver": "local"}}):
        said = refusal(tmp_path, MINIMAL, media=media, web={"replicas": replicas})
        assert "deploy.media: {claim: NAME}" in said
    assert "object_storage" in said


@pytest.mark.parametrize(
    "media", [{}, {"claim": "Media"}, {"claim": "a", "object_storage": True}, {"claim": "a/b"}]
)
def test_media_of_another_form_are_refused(tmp_path: Path, media: dict[str, Any]) -> None:
    assert "deploy.media" in refusal(tmp_path, MINIMAL, media=media)


def test_an_environment_that_is_not_run_is_refused(tmp_path: Path) -> None:
    make_cluster(tmp_path, MINIMAL)
    with pytest.raises(ProjectFileError, match="how it is run"):
        plan_cluster(load_project(tmp_path), make_environment(MINIMAL))


def test_services_that_kiln_runs_on_a_host_are_refused(tmp_path: Path) -> None:
    said = refusal(tmp_path, MINIMAL, services={"database": {}, "cache": {}})
    assert "no database or cache in a cluster" in said


def test_locks_in_files_are_refused(tmp_path: Path) -> None:
    assert "lock: db" in refusal(tmp_path, with_services(lock="file"))


def test_a_name_that_objects_cannot_have_is_refused(tmp_path: Path) -> None:
    assert "40 characters" in refusal(tmp_path, MINIMAL, shop="s" * 40)


def test_names_begin_with_a_letter(tmp_path: Path) -> None:
    assert make_cluster(tmp_path, MINIMAL, shop="7days").name == "shop-7days-production"


@pytest.mark.parametrize(("given", "written"), [("512m", "512Mi"), ("4g", "4Gi"), ("9k", "9Ki")])
def test_memory_is_in_kubernetes_units(tmp_path: Path, given: str, written: str) -> None:
    assert make_cluster(tmp_path, MINIMAL, web={"memory": given}).memory == written


def test_a_web_pod_may_end_later_than_the_last_request(tmp_path: Path) -> None:
    timeouts = {"request": 200, "drain": 90}
    assert make_cluster(tmp_path, MINIMAL, timeouts=timeouts).web_grace > 200
    assert make_cluster(tmp_path, MINIMAL, timeouts={"drain": 300}).web_grace > 300


def test_consumers_have_names_of_their_own() -> None:
    given = ["async.operations.all", "Async_operations.all", "x" * 80, "___"]
    named = name_consumers(given)
    assert list(named.values()) == given
    assert next(iter(named)) == "consumer-async-operations-all"
    assert all(len(name) <= 63 and name.strip("-") == name for name in named)
