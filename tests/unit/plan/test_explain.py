from dataclasses import replace
from typing import Any

from builder.plan.build import BuildPlan, FrontendStage, make_group
from builder.plan.explain import (
    BuildNames,
    Cause,
    Forecast,
    describe_cause,
    explain_build,
    name_build,
    root_causes,
    stage_keys,
)
from builder.render.dockerfile import render_build
from tests.unit.plans import make_entry, make_plan, make_static

LUMA = "static-frontend.magento.luma-en_us"


def name(plan: BuildPlan, version: str = "1") -> BuildNames:
    rendered = render_build(plan)
    return name_build(plan, rendered.support, rendered.dockerfile, version)


def forecast(before: BuildPlan, after: BuildPlan) -> dict[str, Forecast]:
    last = name(before)
    keys = set(stage_keys(last).values())
    return {one.stage: one for one in explain_build(name(after, "2"), last, keys)}


def running(found: dict[str, Forecast]) -> set[str]:
    return {stage for stage, one in found.items() if one.state != "cached"}


def with_group(group: str, **digests: str) -> BuildPlan:
    """The plan with other files in one of its groups."""
    plan = make_plan()
    changed = make_group(group, [make_entry(path, digest * 64) for path, digest in digests.items()])
    return replace(plan, groups=tuple(changed if one.name == group else one for one in plan.groups))


def with_themes(**themes: tuple[str, ...]) -> BuildPlan:
    paths: Any = {f"frontend/Magento/{theme}": locales for theme, locales in themes.items()}
    return make_plan(static=make_static(paths))


def test_without_a_build_before_all_stages_run() -> None:
    found = explain_build(name(make_plan()), None, ())
    assert [one.stage for one in found] == list(make_plan().stage_names)
    assert {one.state for one in found} == {"runs"}
    assert {describe_cause(one.causes[0]) for one in found} == {"no build before on this host"}


def test_the_same_again_runs_nothing_unless_told_to() -> None:
    last = name(make_plan())
    keys = set(stage_keys(last).values())
    assert {one.state for one in explain_build(last, last, keys)} == {"cached"}
    assert {one.state for one in explain_build(last, last, keys, no_cache=True)} == {"runs"}


def test_a_style_runs_static_content_and_names_the_file_for_each_stage() -> None:
    before = with_group("view", **{"web/_a.less": "1", "web/_b.less": "1", "web/_c.less": "1"})
    after = with_group("view", **{"web/_a.less": "1", "web/_b.less": "2", "web/_d.less": "1"})
    found = forecast(before, after)
    assert running(found) == {"view", LUMA, "finish", "runtime"}
    files = (
        Cause("file", "web/_b.less", "changed"),
        Cause("file", "web/_c.less", "removed"),
        Cause("file", "web/_d.less", "added"),
    )
    assert found["view"].causes == files
    assert found[LUMA].causes == (Cause("stage", "view", "runs"),)
    assert root_causes(found.values())[LUMA] == files
    assert describe_cause(files[0]) == "web/_b.less changed"


def test_a_package_runs_its_stage_whether_that_begins_with_packages_or_copies_them() -> None:
    for own_base in (False, True):
        before, after = (
            replace(with_group("vendor-code", **{"vendor/a/b.php": digest}), own_base=own_base)
            for digest in "12"
        )
        found = forecast(before, after)
        assert found["vendor"].causes == (Cause("file", "vendor/a/b.php", "changed"),)
        assert {found[stage].state for stage in ("vendor", "code", "runtime")} == {"runs"}
        assert found["tools"].state == "cached"


def test_a_template_runs_neither_compilation_nor_static_content() -> None:
    found = forecast(make_plan(), with_group("template", page="2"))
    assert running(found) == {"finish", "runtime"}


def test_code_runs_all_that_stands_on_it() -> None:
    found = forecast(make_plan(), with_group("code", code="2"))
    assert running(found) == {"code", "sources", "compiled", "view", LUMA, "finish", "runtime"}


def test_a_further_locale_runs_its_own_stage_alone() -> None:
    found = forecast(with_themes(luma=("en_US",)), with_themes(luma=("en_US", "de_DE")))
    new = "static-frontend.magento.luma-de_de"
    assert running(found) == {new, "shared", "finish", "runtime"}
    assert [describe_cause(cause) for cause in found[new].causes] == ["the stage is new"]


def test_a_setting_that_stands_in_a_step_is_said_by_its_line() -> None:
    found = forecast(make_plan(), make_plan(debian_packages=("nginx-light", "php8.2-gd")))
    assert running(found) == set(make_plan().stage_names)
    assert Cause("step", "php8.2-gd", "added") in found["php"].causes
    assert Cause("step", "php8.2-cli", "removed") in found["php"].causes


def test_phps_memory_changes_only_what_is_put_into_the_image() -> None:
    found = forecast(make_plan(), make_plan(php_memory_limit="1G"))
    assert running(found) == {"finish", "runtime"}
    files = [one.what for one in found["runtime"].causes if one.kind == "file"]
    assert files == ["runtime/etc/kiln/php-fpm.conf"]


def test_another_base_image_is_named() -> None:
    base = f"localhost:5000/kiln/base:bookworm@sha256:{'b' * 64}"
    found = forecast(make_plan(), make_plan(base=base))
    assert Cause("step", base, "added") in found["php"].causes


def test_what_ran_in_any_earlier_build_is_cached() -> None:
    first, second = name(make_plan()), name(with_group("code", code="2"), "2")
    keys = {*stage_keys(first).values(), *stage_keys(second).values()}
    assert {one.state for one in explain_build(first, second, keys)} == {"cached"}


def test_new_code_on_packages_of_an_earlier_build_runs() -> None:
    first, last = make_plan(), with_group("vendor-code", vendor="2")
    keys = {*stage_keys(name(first)).values(), *stage_keys(name(last)).values()}
    now = with_group("code", code="2")
    found = {one.stage: one for one in explain_build(name(now), name(last), keys)}
    assert (found["vendor"].state, found["code"].state) == ("cached", "runs")
    assert "vendor is that of an earlier build" in map(describe_cause, found["code"].causes)


def test_the_stage_of_a_failed_build_that_was_done_is_cached() -> None:
    now = name(make_plan())
    keys = stage_keys(now)
    done = {keys[stage] for stage in ("php", "tools", "vendor")}
    found = {one.stage: one.state for one in explain_build(now, None, done)}
    assert (found["vendor"], found["code"]) == ("cached", "runs")


def test_what_another_stage_makes_may_turn_out_the_same() -> None:
    def plan(digest: str) -> BuildPlan:
        stage = FrontendStage("frontend-0", "frontend-0", "theme", ("npm run build",), ("web",))
        group = make_group("frontend-0", [make_entry("theme/a.ts", digest * 64)])
        return replace(make_plan(frontend=(stage,)), groups=(*make_plan().groups, group))

    found = forecast(plan("1"), plan("2"))
    states = {name: one.state for name, one in found.items()}
    assert states["frontend-0"] == states["runtime"] == "runs"
    assert states["view"] == states[LUMA] == "may run"
    assert states["compiled"] == states["node"] == "cached"
    assert root_causes(found.values())[LUMA] == (Cause("file", "theme/a.ts", "changed"),)


def test_another_time_is_the_one_reason_where_nothing_else_has_changed() -> None:
    before = make_plan()
    found = forecast(before, replace(before, epoch=before.epoch + 1))
    assert "vendor" in running(found)
    causes = {cause for one in found.values() for cause in one.causes if cause.kind != "stage"}
    assert Cause("argument", "SOURCE_DATE_EPOCH", "changed") in causes
    # Kiln's own scripts have the time in them; the shop's files have not.
    assert {cause.what for cause in causes if cause.kind == "file"} <= {
        *("build/collect", "build/fix-times", "build/share-files.php"),
        "runtime/etc/kiln/nginx.conf",
    }
