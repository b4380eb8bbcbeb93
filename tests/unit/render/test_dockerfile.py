import shutil
import subprocess
from dataclasses import replace

import pytest

from builder.plan.build import BuildPlan, FrontendStage
from builder.render.dockerfile import render_build
from builder.render.templates import quote_copy, quote_php, quote_run
from tests.unit.conftest import Golden
from tests.unit.plans import groups, make_plan, make_static

THEMES: dict[str, tuple[str, ...]] = {
    "frontend/Magento/luma": ("en_US", "de_DE"),
    "frontend/Magento/blank": ("de_DE", "en_US"),
    "adminhtml/Magento/backend": ("en_US",),
}
VARIANTS: dict[str, BuildPlan] = {
    "vendor-in-tree": make_plan(),
    "composer-install": make_plan(
        has_vendor=False,
        groups=groups("code", "composer", "template", "view"),
        secrets=("composer_auth",),
        has_ca_bundle=True,
        mirror="http://mirror.example/debian/20261101T000000Z",
        kept_paths=("vendor/acme/kit/tests",),
    ),
    "own-themes": make_plan(
        groups=groups(
            *("code", "composer", "template", "vendor-code", "vendor-template", "vendor-view"),
            *("view", "view-adminhtml", "view-frontend", "view-frontend.acme.shop"),
        ),
        static=make_static(dict.fromkeys((*THEMES, "frontend/Acme/child"), ("en_US",))),
    ),
    "hooks": make_plan(
        patches=("patches/one fix.patch",),
        before_compile=("echo \"$HOME\" > app/etc/x && touch 'a b'",),
        frontend=(
            FrontendStage(
                "frontend-0",
                "frontend-0",
                "app/design/x",
                ("npm ci", "npm run build"),
                ("web/css",),
            ),
        ),
        groups=groups(
            *("code", "composer", "frontend-0", "template"),
            *("vendor-code", "vendor-template", "vendor-view", "view"),
        ),
        secrets=("npm_token",),
        minify_html=True,
        static=make_static(THEMES, "compact"),
        static_strategy="compact",
    ),
}


@pytest.mark.parametrize("name", VARIANTS)
def test_the_dockerfile_is_as_reviewed(golden: Golden, name: str) -> None:
    golden.check(f"{name}.Dockerfile", render_build(VARIANTS[name]).dockerfile)


def test_the_files_of_the_image_are_as_reviewed(golden: Golden) -> None:
    for path, text in render_build(make_plan()).contents.items():
        golden.check(f"support/{path}", text.decode())


def test_rendering_is_deterministic() -> None:
    assert render_build(make_plan()) == render_build(make_plan())


@pytest.mark.parametrize("name", VARIANTS)
def test_no_copy_comes_from_the_cache_with_other_times(name: str) -> None:
    """BuildKit's cache knows a copied folder by its content and its last name, not by its times."""
    one, other = (render_build(replace(VARIANTS[name], epoch=epoch)) for epoch in (1, 2))
    steps, others = (
        {line for line in build.dockerfile.splitlines() if line.startswith("COPY")}
        for build in (one, other)
    )
    known = {step.split("--from=")[1].split()[0] for step in steps & others}
    # The content version, and with it what `finish` makes, is another one, and so is the name of a
    # link in `src-composer`; `versions` and `tools` are no part of the image.
    assert known <= {"src-kiln", "src-composer", "finish", "versions", "tools"}
    for folder in ("build", "runtime"):
        texts = [
            {path: text for path, text in build.contents.items() if path.startswith(f"{folder}/")}
            for build in (one, other)
        ]
        assert texts[0] != texts[1]


def test_a_changed_template_changes_the_inputs() -> None:
    one = render_build(make_plan())
    other = render_build(replace(make_plan(), php_memory_limit="1G"))
    assert one.support.digest != other.support.digest
    assert one.dockerfile == other.dockerfile


@pytest.mark.parametrize(
    "path",
    [
        *("build/collect", "build/fix-times", "build/sort-globs", "build/in-slot", "build/magento"),
        "runtime/usr/local/bin/kiln-health",
    ],
)
def test_shell_scripts_are_executable_and_parse(path: str) -> None:
    rendered = render_build(make_plan())
    (entry,) = (entry for entry in rendered.support.entries if entry.path == path)
    assert entry.executable
    assert _parses("sh", rendered.contents[path])


def test_the_entrypoint_parses_as_bash() -> None:
    assert _parses(
        "bash", render_build(make_plan()).contents["runtime/usr/local/bin/kiln-entrypoint"]
    )


def _parses(shell: str, script: bytes) -> bool:
    program = shutil.which(shell)
    assert program
    return subprocess.run([program, "-n"], input=script, check=False).returncode == 0


@pytest.mark.parametrize("command", ["foo$(id)", 'say "hi"', "a\nb", "back\\slash", "ümlaut"])
def test_a_command_reaches_the_shell_as_it_was_written(command: str) -> None:
    import json

    assert json.loads(quote_run(command)) == ["/bin/sh", "-euc", command]


def test_a_path_is_no_wildcard_and_no_variable_in_a_copy() -> None:
    assert (
        quote_copy(["/app/$x[1]*?", "/app/$x"]) == '["/app/\\\\$x\\\\[1]\\\\*\\\\?", "/app/\\\\$x"]'
    )


def test_text_in_php_is_a_literal() -> None:
    assert quote_php("a'b\\c$d") == "'a\\'b\\\\c$d'"
