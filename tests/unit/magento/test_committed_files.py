from pathlib import Path

import pytest

from builder.magento.committed_files import find_committed_files, secret_places
from builder.project.loading import Project, parse_project_file
from tests.unit.environments import MINIMAL, make_environment

KEY = b"-----BEGIN EC PRIVATE KEY-----\nabc\n-----END EC PRIVATE KEY-----\n"
CREDENTIALS = b'{"http-basic": {"repo.magento.com": {"username": "a", "password": "geheim"}}}'


def found(path: str, content: bytes = b"", places: tuple[str, ...] = ()) -> bool:
    findings = list(find_committed_files([path, "index.php"], places, lambda _: content))
    assert all(one.where == path and "geheim" not in repr(one) for one in findings)
    return bool(findings)


@pytest.mark.parametrize(
    ("path", "content"),
    [
        ("app/etc/env.php", b""),
        ("auth.json", CREDENTIALS),
        ("backup/2026-01-01 shop.sql.gz", b""),
        ("shop.SQL", b""),
        ("deploy/id_ed25519", KEY),
        ("certs/shop.pem", KEY),
        ("certs/shop.p12", b""),
    ],
)
def test_a_file_that_holds_secrets_is_found(path: str, content: bytes) -> None:
    assert found(path, content)


@pytest.mark.parametrize(
    ("path", "content"),
    [
        ("app/etc/env.php.sample", b""),
        ("auth.json", b'{"http-basic": {}}'),
        ("auth.json.sample", b""),
        ("certs/ca.pem", b"-----BEGIN CERTIFICATE-----"),
        ("app/code/Acme/Shop/Model/Sql.php", b""),
        ("vendor/acme/kit/tests/key.pem", KEY),
        ("dev/tests/dump.sql", b""),
        ("app/code/Acme/Shop/key.phtml", KEY),
    ],
)
def test_a_file_like_any_other_is_left_alone(path: str, content: bytes) -> None:
    assert not found(path, content)


@pytest.mark.parametrize("path", ["secrets/db-password", "secrets", "vendor/secrets/x"])
def test_a_secrets_source_in_git_is_found(path: str) -> None:
    assert found(path, places=("secrets/", "vendor/secrets"))
    assert not found("secrets-sample/readme", places=("secrets/", "vendor/secrets"))


def test_the_sources_inside_of_the_tree_are_those_that_files_name(tmp_path: Path) -> None:
    file, marks = parse_project_file(
        b"name: shop\nstatic: {themes: {frontend/A/b: [en_US]}}\n"
        b"build: {secrets: {composer_auth: {file: auth/a.json}, npm: {env: NPM}}}\n"
        b"sign: {key: keys/cosign.key, password: {file: /etc/cosign}}\n"
    )
    project = Project(tmp_path, tmp_path / "kiln.yaml", file, marks)
    inside = make_environment({**MINIMAL, "secrets": {"directory": "./secrets/"}})
    outside = make_environment(MINIMAL)
    other = make_environment({**MINIMAL, "secrets": {"env_prefix": "SHOP_"}})
    assert sorted(secret_places(project, [inside, outside, other])) == [
        "auth/a.json",
        "keys/cosign.key",
        "secrets",
    ]
