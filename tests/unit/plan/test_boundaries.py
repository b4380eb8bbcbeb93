"""A change reaches the stages that may see it, and no other."""

import os
import random
import re
import shutil
from collections.abc import Iterable
from dataclasses import replace
from pathlib import Path
from typing import cast

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from builder.magento.shop import exclusion_for, inspect_shop, read_lock, refuse_problems
from builder.plan.build import BuildPlan, FrontendStage, group_entries, plan_build
from builder.project.loading import load_project
from builder.project.tree import Entry, HashIndex, scan_tree
from tests.changes import EDITS, READERS, Change, Reads, draw_changes, may_run
from tests.conftest import copy_store
from tests.stages import stage_inputs
from tests.unit.plans import BASE, SHOP, make_entry, make_plan, make_static

# Where files lie, and their extensions, by who may see them: words of Magento's own structure.
PLACES: dict[str, tuple[tuple[str, str], ...]] = {
    "template": (
        ("app/code/Acme/Kit/view/frontend/templates/", "phtml"),
        ("app/code/Acme/Kit/view/adminhtml/ui_component/", "xml"),
        ("app/code/Acme/Kit/view/base/layout/", "xml"),
        ("app/code/Acme/Kit/view/frontend/email/", "html"),
        ("app/design/frontend/Acme/shop/Magento_Theme/templates/html/", "phtml"),
        ("vendor/acme/kit/view/frontend/page_layout/", "xml"),
        ("vendor/magento/theme-frontend-luma/Magento_Checkout/layout/", "xml"),
    ),
    "view": (
        ("app/code/Acme/Kit/view/base/web/js/", "js"),
        ("app/code/Acme/Kit/i18n/", "csv"),
        ("app/code/Acme/Kit/view/frontend/", "phtml"),
        ("app/design/frontend/Acme/shop/i18n/", "csv"),
        ("app/design/frontend/Acme/shop/media/", "jpg"),
        ("app/design/frontend/Acme/gone/web/", "css"),
        ("vendor/acme/kit/src/view/frontend/web/", "png"),
        ("vendor/magento/theme-frontend-luma/web/css/", "less"),
        ("lib/web/mage/", "js"),
    ),
    "frontend": (
        ("app/code/Acme/Kit/view/frontend/web/css/source/", "less"),
        ("app/code/Acme/Kit/src/view/frontend/web/template/", "html"),
        ("app/code/Acme/Kit/view/frontend/web/", "json"),
        ("app/code/Acme/Kit/view/frontend/requirejs-config", "js"),
        ("app/design/frontend/Acme/shop/web/js/", "js"),
        ("app/design/frontend/Acme/child/Magento_Theme/web/template/", "html"),
    ),
    "adminhtml": (("app/code/Acme/Kit/view/adminhtml/web/js/", "js"),),
    "shop": (
        ("app/design/frontend/Acme/shop/web/images/", "svg"),
        ("app/design/frontend/Acme/shop/Magento_Theme/web/fonts/", "woff2"),
    ),
    "child": (("app/design/frontend/Acme/child/web/css/", "less"),),
    "code": (
        ("app/code/Acme/Kit/Model/", "php"),
        ("app/code/Acme/Kit/view/frontend/templates/", "php"),
        ("app/code/Acme/Kit/etc/frontend/", "xml"),
        ("app/code/Acme/Kit/etc/", "graphqls"),
        ("app/design/frontend/Acme/shop/etc/", "xml"),
        ("app/etc/", "php"),
        ("setup/src/", "php"),
        ("bin/", "sh"),
    ),
    "packages": (
        ("vendor/acme/kit/Model/", "php"),
        ("vendor/acme/kit/etc/", "xml"),
        ("vendor/acme/kit/data/", "json"),
    ),
}
NAMES = st.from_regex(r"[a-z][a-z0-9_ ü-]{0,9}", fullmatch=True)


def file_of(reads: str) -> st.SearchStrategy[str]:
    return st.tuples(st.sampled_from(PLACES[reads]), NAMES).map(
        lambda drawn: f"{drawn[0][0]}{drawn[1]}.{drawn[0][1]}"
    )


READ_FILES = st.sampled_from(sorted(PLACES)).flatmap(
    lambda reads: st.tuples(st.just(reads), file_of(reads))
)
DIGESTS = st.sampled_from(["1" * 64, "2" * 64])
ENTRIES = st.builds(
    Entry, READ_FILES.map(lambda drawn: drawn[1]), st.just(1), st.booleans(), DIGESTS
)
# What every shop with vendor/ has.
ALWAYS = [make_entry(path) for path in ("composer.json", "composer.lock", "vendor/autoload.php")]
THEMES = ("frontend/Acme/shop", "frontend/Acme/child", "frontend/Magento/luma")
BACKEND = "adminhtml/Magento/backend"
STATIC = make_static(dict.fromkeys((*THEMES, BACKEND), ("de_DE", "en_US")))
PLANS = [
    make_plan(),
    make_plan(static=STATIC),
    make_plan(static=STATIC, minify_html=True),
    make_plan(static=STATIC, patches=("fix.patch",)),
    make_plan(static=STATIC, frontend=(FrontendStage("frontend-0", "frontend-0", "x", (), ()),)),
]
# Shop is made from Luma, and child from shop.
SCOPES = {
    "frontend": READERS["frontend"],
    "adminhtml": READERS["adminhtml"],
    "shop": r"finish|runtime|static-frontend\.acme\.(shop|child)-.*|shared",
    "child": r"finish|runtime|static-frontend\.acme\.child-.*|shared",
}


def differing(before: BuildPlan, after: BuildPlan) -> set[str]:
    """The stages that do not see the same."""
    one, other = stage_inputs(before), stage_inputs(after)
    return {name for name in {*one, *other} if one.get(name) != other.get(name)}


def with_files(plan: BuildPlan, entries: Iterable[Entry]) -> BuildPlan:
    return replace(plan, groups=group_entries([*ALWAYS, *entries], SHOP))


def readers(reads: str, plan: BuildPlan) -> str:
    if plan.changes_source and reads != "packages":
        # The shop's own steps may change any file.
        return READERS["code"]
    if plan.minify_html and reads == "template":
        return READERS["view"]
    if reads in SCOPES:
        if plan.frontend:
            # What it has made is laid over any file.
            return READERS["view"]
        return SCOPES[reads]
    return READERS[cast(Reads, reads)]


@given(
    data=st.data(),
    plan=st.sampled_from(PLANS),
    reads=st.sampled_from(sorted(PLACES)),
    entries=st.lists(ENTRIES, max_size=12, unique_by=lambda entry: entry.path),
)
def test_a_changed_file_reaches_its_readers_alone(
    data: st.DataObject, plan: BuildPlan, reads: Reads, entries: list[Entry]
) -> None:
    file = make_entry(data.draw(file_of(reads)))
    changed: Entry | None = data.draw(
        st.sampled_from(
            [
                replace(file, digest="3" * 64),
                replace(file, executable=True),
                replace(
                    file, path=data.draw(file_of(reads).filter(lambda path: path != file.path))
                ),
                # Gone; the other way round, it has come.
                None,
            ]
        )
    )
    versions = [file, changed] if changed else [file]
    others = [entry for entry in entries if entry.path not in {one.path for one in versions}]
    before = with_files(plan, [*others, file])
    after = with_files(plan, [*others, *versions[1:]])
    expected = {name for name in plan.stage_names if re.fullmatch(readers(reads, plan), name)}
    assert differing(before, after) == expected


@settings(max_examples=30)
@given(entries=st.lists(ENTRIES, unique_by=lambda entry: entry.path), shuffler=st.randoms())
def test_the_order_of_files_is_no_input(entries: list[Entry], shuffler: random.Random) -> None:
    shuffled = list(entries)
    shuffler.shuffle(shuffled)
    before, after = (with_files(make_plan(), one) for one in (entries, shuffled))
    assert stage_inputs(before) == stage_inputs(after)


def plan_tree(tree: Path) -> BuildPlan:
    """The plan of a build of a tree; what its files hold is remembered beside it."""
    project = load_project(tree)
    index = HashIndex(tree.with_name(f"{tree.name}.json"))
    found = scan_tree(tree, exclusion_for(project, None, read_lock(tree)), index)
    shop, report = inspect_shop(project, found)
    refuse_problems(report)
    return plan_build(project, shop, found.entries, BASE)


def test_a_change_of_the_sample_shop_reaches_its_readers_alone(tmp_path: Path) -> None:
    tree = copy_store(tmp_path / "shop")
    before = stage_inputs(plan_tree(tree))
    # Each kind of change once, then at random.
    changes = [*(Change(name, 0) for name in EDITS), *draw_changes(50, 0)]
    for number, change in enumerate(changes, start=1):
        change.make(tree, number)
        after = stage_inputs(plan_tree(tree))
        both = {*before} & {*after}
        differ = {name for name in both if before[name] != after[name]}
        assert differ == may_run(both, change.reads), (number, change)
        others = {name.partition("-")[0] for name in {*before} ^ {*after}}
        assert others == ({"static"} if change.reads == "themes" else set()), (number, change)
        before = after


@pytest.mark.parametrize("number", range(3))
def test_times_modes_and_the_order_on_disk_are_no_input(tmp_path: Path, number: int) -> None:
    tree, copy = copy_store(tmp_path / "shop"), tmp_path / "other place"
    chance = random.Random(number)
    files = sorted(path for path in tree.rglob("*") if path.is_file())
    chance.shuffle(files)
    for path in files:
        to = copy / path.relative_to(tree)
        to.parent.mkdir(parents=True, exist_ok=True, mode=chance.choice([0o700, 0o775]))
        shutil.copyfile(path, to)
        executable = path.stat().st_mode & 0o111
        to.chmod(chance.choice([0o700, 0o755, 0o644 | 0o100] if executable else [0o600, 0o664]))
        os.utime(to, (chance.randrange(2**31), chance.randrange(2**31)))
    one, other = (stage_inputs(plan_tree(at)) for at in (tree, copy))
    assert one == other
