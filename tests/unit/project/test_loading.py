import pytest
from hypothesis import given
from hypothesis import strategies as st

from builder.errors import ProjectFileError
from builder.project.loading import parse_project_file

GOOD = """\
name: sample
static:
  themes:
    frontend/Magento/luma: [en_US]
"""


def problems_of(text: str) -> str:
    with pytest.raises(ProjectFileError) as caught:
        parse_project_file(text.encode())
    error = caught.value
    return "\n".join([f"{error.where} {error.message}", *error.details])


def test_the_smallest_file_gets_every_default() -> None:
    file, marks = parse_project_file(GOOD.encode())
    assert file.registry == "localhost:5000"
    assert file.php.version == "auto"
    assert file.static.themes == {"frontend/Magento/luma": ("en_US",)}
    assert marks["static", "themes", "frontend/Magento/luma"].line == 4


def test_an_unknown_key_is_named_with_its_line_and_the_nearest_right_name() -> None:
    assert "kiln.yaml:5 registy: is not a setting; did you mean registry?" in problems_of(
        GOOD + "registy: x\n"
    )


def test_an_unknown_key_below_another_is_named_too() -> None:
    text = problems_of(GOOD + "php:\n  verzion: '8.2'\n")
    assert "kiln.yaml:6 php.verzion: is not a setting; did you mean version?" in text


def test_all_problems_are_reported_at_once_in_the_order_of_lines() -> None:
    text = problems_of("name: Not Good\nstatic:\n  strategy: quik\n  themes: {luma: [en_US]}\n")
    assert text.index("kiln.yaml:1 name") < text.index("kiln.yaml:3 static.strategy")
    assert "did you mean quick?" in text
    assert "kiln.yaml:4 static.themes" in text


def test_a_version_that_yaml_reads_as_a_number_must_be_quoted() -> None:
    assert "php.version: must be text: write it in quotes" in problems_of(
        GOOD + "php: {version: 8.10}\n"
    )


def test_a_key_given_twice_is_refused() -> None:
    assert "kiln.yaml:5 name: is given twice" in problems_of(GOOD + "name: other\n")


@pytest.mark.parametrize("path", ["/etc/passwd", "../outside", "a/../../b"])
def test_a_path_that_leaves_the_tree_is_refused(path: str) -> None:
    assert "must be a path inside the tree" in problems_of(
        GOOD + f"hooks: {{patches: ['{path}']}}\n"
    )


def test_a_secret_needs_exactly_one_source() -> None:
    assert "exactly one of `file` and `env`" in problems_of(
        GOOD + "build: {secrets: {npm: {file: a, env: B}}}\n"
    )


def test_anchors_that_expand_without_end_are_refused() -> None:
    bomb = "a: &a [x, x, x, x, x, x, x, x, x, x]\n"
    for name, before in zip("bcdefgh", "abcdefg", strict=True):
        bomb += f"{name}: &{name} [{', '.join([f'*{before}'] * 10)}]\n"
    assert "too many or too deeply nested" in problems_of(bomb)


def test_an_anchor_inside_itself_is_refused() -> None:
    assert "too many or too deeply nested" in problems_of("name: &a [*a]\n")


@pytest.mark.parametrize("text", ["", "- a\n", "just words\n", "a: [\n", "\tname: x\n", "\x00"])
def test_what_is_no_mapping_is_refused(text: str) -> None:
    assert problems_of(text).startswith("kiln.yaml")


@given(st.binary(max_size=300))
def test_no_input_ends_in_a_traceback(text: bytes) -> None:
    with pytest.raises(ProjectFileError) as caught:
        parse_project_file(text + b"\n: is never right: [")
    assert caught.value.where.startswith("kiln.yaml")
