"""A build after a change: it runs what the change reaches, and makes what a clean build makes."""

import os
import re
import shutil
from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import pytest

from benchmarks.build.scenarios import SCENARIOS
from benchmarks.build.working_copy import make_copy
from builder.build.compare import differing_files
from builder.build.layout import read_layout
from builder.plan.build import DEFAULT_EPOCH
from tests.changes import Change, Reads, draw_changes, may_run
from tests.conftest import Kiln, change_project

# These see nothing of the tree but which PHP and extensions it needs.
SYSTEM = ("php", "tools")
# One of each kind, but for packages.
DAILY = ("change page", "change colour", "change constructor", "switch locale", "touch")

# The engine's client, but that of a build these stages run again.
CLEAN_CLIENT = """#!/bin/sh
case "$1 $2" in
"buildx build") set -- "$@" --no-cache-filter "$KILN_TEST_STAGES" ;;
esac
exec {docker} "$@"
"""


@dataclass
class Builds:
    """Builds of one tree, as it changes.

    Attributes:
        kiln: with a cache that stays.
        clean: with one that is emptied before each build.
        stages: those of the last build.
        ran: how often each stage ran in builds with the cache.
        compared: digests of clean builds by those of their inputs.
    """

    tree: Path
    kiln: Kiln
    clean: Kiln
    stages: set[str] = field(default_factory=set)
    ran: Counter[str] = field(default_factory=Counter)
    compared: dict[str, str] = field(default_factory=dict)

    def build(self, reads: Reads | None = None) -> Mapping[str, Any]:
        """Build with the cache; a change that reads so much may run no more.

        Args:
            reads: what the tree has changed in since the last build; None for anything.
        """
        record = build(self.kiln, self.tree)
        before, self.stages = self.stages, {stage["name"] for stage in record["stages"]}
        ran = {stage["name"] for stage in record["stages"] if not stage["cached"]}
        self.ran.update(ran)
        if reads is not None:
            more = (ran & before) - may_run(ran, reads)
            assert not more, more
        return record

    def compare(self, record: Mapping[str, Any]) -> None:
        """Assert that a clean build gives the image that the last build has made."""
        if record["inputs"] not in self.compared:
            self.compared[record["inputs"]] = self._build_clean(record)["digest"]
        if self.compared[record["inputs"]] == record["digest"]:
            return
        first, second = (next(one.cache.glob("*/image")) for one in (self.kiln, self.clean))
        files = differing_files((first, read_layout(first)), (second, read_layout(second)))
        pytest.fail("\n".join(files))

    def _build_clean(self, record: Mapping[str, Any]) -> Mapping[str, Any]:
        shutil.rmtree(self.clean.cache, ignore_errors=True)
        again = {stage["name"] for stage in record["stages"]}.difference(SYSTEM)
        made = build(self.clean, self.tree, KILN_TEST_STAGES=",".join(sorted(again)))
        assert made["inputs"] == record["inputs"]
        assert {stage["name"] for stage in made["stages"] if not stage["cached"]} == again
        return made


def build(kiln: Kiln, tree: Path, **env: str) -> Mapping[str, Any]:
    ended = kiln("build", "--output", "json", cwd=tree, **env)
    assert ended.code == 0, ended.err
    record: Mapping[str, Any] = ended.json()
    return record


@pytest.fixture
def builds(tree: Path, tmp_path: Path) -> Builds:
    give_own_steps(tree)
    return make_builds(tree, tmp_path)


def make_builds(tree: Path, tmp_path: Path) -> Builds:
    client = tmp_path / "client/docker"
    client.parent.mkdir()
    client.write_text(CLEAN_CLIENT.format(docker=shutil.which("docker")))
    client.chmod(0o755)
    path = f"{client.parent}:{os.environ['PATH']}"
    return Builds(tree, Kiln(tmp_path / "cache"), Kiln(tmp_path / "clean", {"PATH": path}))


def give_own_steps(tree: Path) -> None:
    """Make every step that runs without the cache another one than in all other builds.

    BuildKit of Docker 26 falls over where builds with and without cache run the same step at once.
    Those of `SYSTEM` always come from the cache, and are shared.
    """
    own = f"kiln-test-{os.getpid()}"
    for path in (
        "packages/magento/module-cron/own.txt",
        "app/code/Kiln/Sample/etc/own.xml",
        "app/code/Kiln/Sample/view/frontend/layout/own.xml",
        "lib/web/own.json",
    ):
        (tree / path).parent.mkdir(exist_ok=True)
        (tree / path).write_text(f"<own>{own}</own>\n")
    change_project(tree, php={"memory_limit": f"{1024 + os.getpid()}M"})


def make_changes(builds: Builds, changes: list[Change]) -> Iterator[Mapping[str, Any]]:
    """Build after each change; gives the records."""
    builds.build()
    for number, change in enumerate(changes, start=1):
        # Shown where the test fails.
        print(number, change)
        change.make(builds.tree, number)
        yield builds.build(change.reads)


def test_five_changes_run_what_they_reach_and_end_in_what_a_clean_build_makes(
    builds: Builds,
) -> None:
    *_, last = make_changes(builds, [Change(name, 0) for name in DAILY])
    assert builds.ran["compiled"] == 2
    builds.compare(last)


@pytest.mark.long
def test_after_each_of_fifty_changes_the_image_is_what_a_clean_build_makes(
    builds: Builds, capsys: pytest.CaptureFixture[str]
) -> None:
    changes = draw_changes(50, 0)
    for record in make_changes(builds, changes):
        builds.compare(record)
    kinds = Counter(change.reads for change in changes)
    with capsys.disabled():
        print(
            f"\n{len(changes)} changes ({dict(kinds)}), {len(builds.compared)} images compared "
            f"with clean builds; ran with the cache: {dict(builds.ran)}"
        )


@pytest.mark.long
def test_a_build_at_another_time_takes_no_files_with_the_times_of_before(builds: Builds) -> None:
    builds.build()
    # A time of its own, since what installs Debian's packages is another step for each.
    later = {"SOURCE_DATE_EPOCH": str(DEFAULT_EPOCH + 2)}
    builds.kiln = replace(builds.kiln, env=later)
    builds.clean = replace(builds.clean, env={**builds.clean.env, **later})
    builds.compare(builds.build())


# Of a module and of a theme: what deployment reads of one area or theme, and phrases in all of it.
_SCRIPT = "define(['mage/translate'], function () {{ return jQuery.mage.__('{0}'); }});\n"
ASSETS = {
    "module/view/frontend/web/css/source/_module.less": ".of-module { i { order: 1; } }\n",
    "module/view/frontend/web/js/one.js": _SCRIPT.format("Of the storefront"),
    "module/view/frontend/web/template/one.html": "<!-- ko i18n: 'Of markup' --><!-- /ko -->\n",
    "module/view/frontend/requirejs-config.js": "var config = { deps: ['Bench_Shop/js/one'] };\n",
    "module/view/adminhtml/web/js/one.js": _SCRIPT.format("Of the Admin"),
    "module/view/adminhtml/web/css/one.less": ".of-admin { i { order: 2; } }\n",
    "module/view/base/web/js/one.js": _SCRIPT.format("Of both"),
    "theme/web/js/one.js": _SCRIPT.format("Of the theme"),
    "theme/web/css/source/_extend.less": "@own: #123456; .of-theme { color: @own; }\n",
    "theme/web/images/one.svg": "<svg/>\n",
    "theme/Magento_Theme/web/css/source/_extend.less": ".of-both { order: 3; }\n",
    "theme/requirejs-config.js": "var config = { deps: ['js/one'] };\n",
    "module/i18n/en_US.csv": "".join(
        f'"Of {what}","translated"\n'
        for what in ("the storefront", "markup", "the Admin", "both", "the theme")
    ),
}


def add_assets(tree: Path, module: str, theme: str) -> None:
    for path, text in ASSETS.items():
        kind, _, below = path.partition("/")
        file = tree / {"module": module, "theme": theme}[kind] / below
        file.parent.mkdir(parents=True, exist_ok=True)
        with file.open("a") as opened:
            opened.write(text)


def static_layers(kiln: Kiln, tree: Path) -> Mapping[str, str]:
    """Build; digests of the image's layers of static content, by what made them."""
    build(kiln, tree)
    image = read_layout(next(kiln.cache.glob("*/image")))
    return {
        layer.created_by: layer.descriptor.digest
        for layer in image.layers
        if re.match("COPY /out/(shared|static-)", layer.created_by)
    }


def check_division(kiln: Kiln, tree: Path) -> None:
    """Assert that deployment makes of its own files what it makes of all: no stage lacks one."""
    divided = static_layers(kiln, tree)
    # Before a step that may change any file, there is no dividing them.
    change_project(tree, hooks={"before_compile": ["true"]})
    assert static_layers(kiln, tree) == divided
    assert len(divided) > 1


def test_static_content_is_what_is_deployed_from_all_files(builds: Builds) -> None:
    add_assets(builds.tree, "app/code/Kiln/Sample", "app/design/frontend/Kiln/sample")
    check_division(builds.kiln, builds.tree)


@pytest.mark.magento
def test_static_content_of_a_real_shop_is_what_is_deployed_from_all_files(tmp_path: Path) -> None:
    tree = tmp_path / "shop"
    make_copy(Path(os.environ["MAGENTO_SOURCE"]), tree, "localhost:5000")
    add_assets(tree, "app/code/Bench/Shop", "app/design/frontend/Bench/theme")
    check_division(Kiln(tmp_path / "cache"), tree)


@pytest.mark.magento
def test_each_named_change_of_a_real_shop_makes_what_a_clean_build_makes(tmp_path: Path) -> None:
    """The benchmark's scenarios, one after the other. A quarter of an hour."""
    tree = tmp_path / "shop"
    make_copy(Path(os.environ["MAGENTO_SOURCE"]), tree, "localhost:5000")
    builds = make_builds(tree, tmp_path)
    # The first one changes all that a build could know from before.
    for number, (name, edit) in enumerate(SCENARIOS.items(), start=os.getpid()):
        # Shown where the test fails, and by `make test-magento`.
        print(name)
        edit(tree, str(number))
        builds.compare(builds.build())
