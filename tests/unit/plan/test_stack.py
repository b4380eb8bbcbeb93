from pathlib import Path
from typing import Any

import pytest

from builder.errors import ProjectFileError
from builder.plan.stack import Stack, plan_stack
from builder.project.loading import load_project
from builder.project.references import referenced_secrets
from tests.unit.environments import MINIMAL, make_environment, with_services

HTTPS = {"https": {"certificate": {"secret": "tls-certificate"}}}


def make_stack(folder: Path, environment: dict[str, Any]) -> Stack:
    (folder / "kiln.yaml").write_text(
        "name: sample\nstatic:\n  themes:\n    frontend/Magento/luma: [en_US]\n"
    )
    return plan_stack(load_project(folder), make_environment(environment), "page")


def test_the_certificate_is_one_of_the_environments_secrets(tmp_path: Path) -> None:
    environment = {**MINIMAL, "deploy": HTTPS}
    found = referenced_secrets(make_environment(environment).file)
    assert found["tls-certificate"] == (("deploy", "https", "certificate"),)
    assert make_stack(tmp_path, environment).certificate == "tls-certificate"
    assert make_stack(tmp_path, {**MINIMAL, "deploy": {}}).certificate is None


def test_the_certificate_is_a_secret_of_its_own(tmp_path: Path) -> None:
    """The shop's containers can read all others."""
    shared = {"https": {"certificate": {"secret": "db-password"}}}
    with pytest.raises(ProjectFileError, match="db-password is that of the certificate"):
        make_stack(tmp_path, {**MINIMAL, "deploy": shared})


def test_each_varnish_is_told_to_purge(tmp_path: Path) -> None:
    several = with_services(varnish=[{"host": "one"}, {"host": "two", "port": 6081}])
    assert make_stack(tmp_path, {**several, "deploy": {}}).varnish == ("one:80", "two:6081")


def test_an_engine_has_no_claims(tmp_path: Path) -> None:
    with pytest.raises(ProjectFileError, match="volume of Kubernetes"):
        make_stack(tmp_path, {**MINIMAL, "deploy": {"media": {"claim": "shop-media"}}})
