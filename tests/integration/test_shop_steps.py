"""What a shop adds to the build by kiln.yaml: patches, hooks, front-end builds, exclusions."""

import difflib
import json
import os
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from urllib.parse import quote

import docker
import pytest

from tests.conftest import Kiln, change_project, copy_store
from tests.containers import Container, run_container

CA_BUNDLE = "/etc/ssl/certs/ca-certificates.crt"
TOKEN = "npm-token-of-the-test"
THEME = "app/design/frontend/Kiln/sample"
# Spaces, a comma, quotes, brackets and letters beyond ASCII.
ODD_NAME = "日本 語, 'größe' [1] & 100%.svg"

PACKAGE = {"name": "sample-theme", "version": "1.0.0", "dependencies": {"is-number": "7.0.0"}}
PACKAGE_LOCK = {
    "name": "sample-theme",
    "version": "1.0.0",
    "lockfileVersion": 3,
    "packages": {
        "": PACKAGE,
        "node_modules/is-number": {
            "version": "7.0.0",
            "integrity": "sha512-41Cifkg6e8TylSpdtTpeLVMqvSBEVzTttHvERD741+pnZ8ANv0004MRL43QKPDlK9"
            "cGvNp6NZWZUBlbGXYxxng==",
        },
    },
}
MAKE_JS = """
const fs = require('fs');
const isNumber = require('is-number');
const token = fs.readFileSync('/run/secrets/npm_token', 'utf8');
fs.mkdirSync('web/js', {recursive: true});
fs.writeFileSync('web/js/gebaut für alle.js',
    `define([], () => ({built: ${isNumber('7')}, token: ${token.length}}));`);
fs.writeFileSync('web/js/not-kept.js', '');
"""


def write_patch(path: Path, file: Path, name: str, old: str, new: str) -> None:
    """Append to a patch: in the file, which the build calls `name`, `old` becomes `new`."""
    lines = file.read_text().splitlines(keepends=True)
    changed = [line.replace(old, new) for line in lines]
    assert lines != changed
    diff = difflib.unified_diff(lines, changed, f"a/{name}", f"b/{name}")
    path.parent.mkdir(exist_ok=True)
    with path.open("a") as patch:
        patch.writelines(diff)


def furnish(tree: Path) -> None:
    """Add one of everything to a copy of the sample shop."""
    patch = tree / "patches/01 Begrüßung.patch"
    config = "app/code/Kiln/Sample/etc/config.xml"
    write_patch(patch, tree / config, config, "Welcome to our shop", "Grüße aus dem Patch")
    noroute = "magento/module-theme/view/frontend/templates/noroute.phtml"
    write_patch(
        patch, tree / "packages" / noroute, f"vendor/{noroute}", "<p>", "<p>patched in vendor: "
    )
    (tree / "docs").mkdir()
    (tree / "docs/Entwurf 1.md").write_text("not for production")
    (tree / THEME / "web/images/draft.psd").write_text("not for production")
    (tree / THEME / "web/images" / ODD_NAME).write_text("<svg>odd</svg>")
    settings = tree / "app/etc/config.php"
    text = settings.read_text()
    assert "'minify_html' => '0'" in text
    settings.write_text(text.replace("'minify_html' => '0'", "'minify_html' => '1'"))
    for name, content in (
        ("package.json", json.dumps(PACKAGE)),
        ("package-lock.json", json.dumps(PACKAGE_LOCK)),
        ("make.js", MAKE_JS),
    ):
        (tree / THEME / name).write_text(content)
    change_project(
        tree,
        hooks={
            "patches": ["patches/*.patch"],
            "before_compile": [
                f"echo \"made by 'a hook' in $PWD\" > '{THEME}/web/from hook.txt'",
                f"grep -q 'Grüße aus dem Patch' {config}",
            ],
            "frontend": [
                {
                    "directory": THEME,
                    "run": ["npm ci --no-audit --no-fund", "node make.js"],
                    "keep": ["web/js/gebaut für alle.js"],
                }
            ],
        },
        build={
            "exclude": ["docs/", "*.psd"],
            "ca_bundle": CA_BUNDLE,
            "secrets": {"npm_token": {"env": "KILN_TEST_NPM_TOKEN"}},
        },
    )


@pytest.fixture(scope="module")
def furnished(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("furnished") / "mein Laden, größer (2)"
    tree = copy_store(folder, name=f"kiln-test-steps-{os.getpid()}")
    furnish(tree)
    return tree


@pytest.fixture(scope="module")
def built(furnished: Path, tmp_path_factory: pytest.TempPathFactory) -> dict[str, Any]:
    """The record of the furnished tree's image."""
    kiln = Kiln(
        tmp_path_factory.mktemp("cache") / "a cache, größer", {"KILN_TEST_NPM_TOKEN": TOKEN}
    )
    ended = kiln("build", "--push", "--output", "json", cwd=furnished)
    assert ended.code == 0, ended.err
    assert TOKEN not in ended.err
    record: dict[str, Any] = ended.json()
    return record


@pytest.fixture(scope="module")
def shop_web(engine: docker.DockerClient, built: dict[str, Any]) -> Iterator[Container]:
    with run_container(engine, built["image"], "web", port=8080) as container:
        container.wait_healthy()
        yield container


def static(web: Container, built: dict[str, Any], path: str) -> tuple[int, str]:
    folder = f"/static/version{built['content_version']}/frontend/Kiln/sample/de_DE"
    answer = web.get(f"{folder}/{quote(path)}")
    answer.encoding = "utf-8"
    return answer.status_code, answer.text


def test_patches_change_the_shops_and_the_packages_files(shop_web: Container) -> None:
    assert "Grüße aus dem Patch" in shop_web.get("/").text
    missing = shop_web.get("/no/such/page")
    assert missing.status_code == 404
    assert "patched in vendor: " in missing.text


def test_a_hooks_file_becomes_static_content(shop_web: Container, built: dict[str, Any]) -> None:
    assert static(shop_web, built, "from hook.txt") == (200, "made by 'a hook' in /app\n")


def test_a_front_end_builds_output_is_served(shop_web: Container, built: dict[str, Any]) -> None:
    code, text = static(shop_web, built, "js/gebaut für alle.js")
    assert code == 200
    assert text == f"define([], () => ({{built: true, token: {len(TOKEN)}}}));"
    assert static(shop_web, built, "js/not-kept.js")[0] == 404


def test_names_with_spaces_and_unicode_are_served(
    shop_web: Container, built: dict[str, Any]
) -> None:
    assert static(shop_web, built, f"images/{ODD_NAME}") == (200, "<svg>odd</svg>")
    assert static(shop_web, built, "images/größe tabelle.svg")[0] == 200


def test_minified_templates_are_in_the_image_and_used(shop_web: Container) -> None:
    page = shop_web.get("/")
    assert page.status_code == 200
    assert re.search(r">\s*\n\s*<", page.text) is None
    code, listed = shop_web.run("find", "/app/var/view_preprocessed/", "-name", "*.phtml")
    assert code == 0
    assert "Kiln/Sample/view/frontend/templates/home.phtml" in listed


def test_what_is_excluded_or_built_from_is_not_in_the_image(shop_web: Container) -> None:
    code, listed = shop_web.run("find", "/app", "/usr/bin", "/run", "-print")
    assert code == 0
    found = listed.splitlines()
    for unwanted in (r"/docs(/|$)", r"\.psd$", r"/node_modules(/|$)", r"/node$", r"ca_bundle"):
        assert [path for path in found if re.search(unwanted, path)] == []


def test_a_front_end_build_that_fails_is_named(
    furnished: Path, built: dict[str, Any], tmp_path: Path
) -> None:
    tree = copy_store(tmp_path / "shop", name="kiln-test-steps")
    furnish(tree)
    (tree / THEME / "make.js").write_text("throw new Error('kein Öl');\n")
    kiln = Kiln(tmp_path / "cache", {"KILN_TEST_NPM_TOKEN": TOKEN})
    ended = kiln("build", cwd=tree)
    assert ended.code == 14, ended.err
    assert "stage frontend-0: the step failed: " in ended.err
    assert "kein Öl" in ended.err
    assert TOKEN not in ended.err
