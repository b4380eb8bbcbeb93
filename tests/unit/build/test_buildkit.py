from pathlib import Path

import pytest

from builder.build.buildkit import BuildRequest, buildx_argv, failure_of, packages_argv
from builder.build.progress import Step, Trace
from builder.errors import BuildError, DiskFullError
from tests.unit.plans import make_plan


def request(**changes: object) -> BuildRequest:
    values: dict[str, object] = {
        "dockerfile": Path("/w/Dockerfile"),
        "context": Path("/w/empty"),
        "contexts": {"code": "oci-layout:///c/code@sha256:1"},
        "destination": Path("/c/image"),
        "secrets": {},
        "content_version": "123",
        "no_cache": False,
        "builder": None,
    }
    return BuildRequest(**{**values, **changes})  # type: ignore[arg-type]


def test_the_image_goes_to_an_oci_layout_with_a_fixed_time() -> None:
    argv = buildx_argv(make_plan(), request())
    output = argv[argv.index("--output") + 1]
    kept = "tar=false,compression=zstd,compression-level=7,oci-mediatypes=true"
    assert output == f"type=oci,dest=/c/image,{kept}"
    assert argv[-1] == "/w/empty"
    assert "SOURCE_DATE_EPOCH=1577836800" in argv
    assert not {"--no-cache", "--cache-from", "--cache-to"} & set(argv)


def test_a_path_with_a_comma_or_a_quote_is_quoted_as_csv() -> None:
    argv = buildx_argv(make_plan(), request(destination=Path('/c/a,b "c"')))
    assert '"dest=/c/a,b ""c"""' in argv[argv.index("--output") + 1]


def test_a_secret_is_named_by_where_it_is() -> None:
    argv = buildx_argv(make_plan(), request(secrets={"composer_auth": "env=COMPOSER_AUTH"}))
    assert argv[argv.index("--secret") + 1] == "id=composer_auth,env=COMPOSER_AUTH"


def test_a_chosen_builder_is_named() -> None:
    argv = buildx_argv(make_plan(), request(builder="kiln"))
    assert argv[argv.index("--builder") + 1] == "kiln"


def test_versions_are_asked_for_from_the_cache() -> None:
    argv = packages_argv(make_plan(), request(no_cache=True), Path("/w/versions"))
    assert argv[argv.index("--target") + 1] == "packages"
    assert "--no-cache" not in argv


def test_a_shared_cache_is_begun_with_and_left_whole_but_is_no_condition() -> None:
    image = "registry.example/cache:main"
    argv = buildx_argv(make_plan(), request(cache_from=image, cache_to=image))
    assert argv[argv.index("--cache-from") + 1] == f"type=registry,ref={image}"
    left = argv[argv.index("--cache-to") + 1].split(",")
    assert {"type=registry", f"ref={image}", "mode=max", "ignore-error=true"} <= set(left)


def failed(lines: list[str], stage: str = "compiled") -> Trace:
    step = Step("a", stage, "RUN x", lines=lines, error="exit code: 1")
    return Trace(steps={"a": step})


@pytest.mark.parametrize(
    ("line", "cause"),
    [
        ("SQLSTATE[HY000] [2002] No such file or directory", "opens a database connection"),
        ("The default website isn't defined. Set the website and try again.", "no scopes"),
        ("curl error 60: SSL certificate problem: unable to get local issuer", "TLS certificate"),
        ("HTTP 401 Unauthorized", "does not accept the credentials"),
        ("PHP Fatal error:  Allowed memory size of 1 bytes exhausted", "ran out of memory"),
        ("Hunk #1 FAILED at 3.", "a patch does not fit"),
    ],
)
def test_a_failure_names_step_last_lines_and_likely_cause(line: str, cause: str) -> None:
    error = failure_of(failed(["before", line, "after"]), 1)
    assert isinstance(error, BuildError)
    assert error.where == "stage compiled"
    assert cause in error.message
    assert line in error.details
    assert error.hint


def test_a_full_disk_is_an_error_of_its_own() -> None:
    error = failure_of(failed(["write /x: no space left on device"]), 1)
    assert isinstance(error, DiskFullError)
    assert "the disk of the engine" in error.message
    error = failure_of(failed(["failed to send write: write /x: no space left on device"]), 1)
    assert isinstance(error, DiskFullError)
    assert "Kiln's cache" in error.message


def test_a_failure_without_a_step_says_what_the_client_said() -> None:
    error = failure_of(Trace(plain=["warning", "ERROR: no builder"]), 1)
    assert "no builder" in error.message
