from random import Random

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from builder.errors import TreeError
from builder.magento.php_array import PhpArray, PhpValue, php_key, read_php_file
from tests.unit.magento import php_literals


def read(literal: str) -> PhpValue:
    return read_php_file(f"<?php\nreturn ['k' => {literal}];\n".encode(), "config.php").value["k"]


def refusal(source: bytes) -> TreeError:
    with pytest.raises(TreeError) as caught:
        read_php_file(source, "config.php")
    return caught.value


@settings(max_examples=150, deadline=None, database=None)
@given(php_literals.arrays(), st.randoms(use_true_random=False))
def test_what_is_written_as_php_is_read_back(value: PhpArray, random: Random) -> None:
    choose = random.randrange
    source = f"<?php\nreturn {php_literals.write_array(value, choose)};"
    read_back = read_php_file(source.encode(), "config.php").value
    assert repr(read_back) == repr(value)


@settings(max_examples=100, deadline=None, database=None)
@given(
    st.binary(max_size=60), st.sampled_from([b"", b"<?php ", b"<?php return [", b"<?php return '"])
)
def test_whatever_the_file_holds_there_is_no_other_error(content: bytes, start: bytes) -> None:
    try:
        read_php_file(start + content, "config.php")
    except TreeError as error:
        assert error.where.startswith("config.php:")  # noqa: PT017


@pytest.mark.parametrize(
    ("literal", "value"),
    [
        (r"'a\'b\\c\n'", "a'b\\c\\n"),
        (r'"a\"b\\c\n\x41\101\u{e9}\q\$x $ {"', 'a"b\\c\nAAé\\q$x $ {'),
        (r'"\x4\0"', "\x04\x00"),
        ("b'bytes'", "bytes"),
        ("'a' . \"b\" . 'c'", "abc"),
        ("('in' . ('side'))", "inside"),
        ("-0x1F", -31),
        ("0b101", 5),
        ("017", 15),
        ("0o17", 15),
        ("1_000", 1000),
        ("- 5", -5),
        ("+5", 5),
        ("9223372036854775807", 2**63 - 1),
        ("9223372036854775808", 2.0**63),
        (".5", 0.5),
        ("6.", 6.0),
        ("-1.5e-3", -0.0015),
        ("TRUE", True),
        ("\\false", False),
        ("Null", None),
        ("array()", {}),
        (
            "[1, 5 => 'a', 'b', '7' => 'c', 'd', '01' => 'e', null => 'f', true => 'g']",
            {0: 1, 5: "a", 6: "b", 7: "c", 8: "d", "01": "e", "": "f", 1: "g"},
        ),
        ("<<<X\n  a\n    b\\t\n\n  X", "a\n  b\t\n"),
        ("<<<'X'\n  a\\t $b\n  X", "a\\t $b"),
        ('<<<"X"\nX', ""),
        ('<<<X\n"q\\"\r\nX', '"q\\"'),
    ],
)
def test_a_literal_means_what_it_means_to_php(literal: str, value: PhpValue) -> None:
    assert repr(read(literal)) == repr(value)


@pytest.mark.parametrize(
    ("expression", "reason"),
    [
        ("getenv('DB')", "evaluated once, by app:config:dump, and flattened into the image"),
        ("\\getenv('DB')", "flattened into the image"),
        ("$_ENV['DB']", "variable"),
        ("$x", "variable"),
        ('"a$x"', "variable in a string"),
        ('"a{$x}"', "variable in a string"),
        ('"a${x}"', "variable in a string"),
        (r'"a\\$x"', "variable in a string"),
        ("<<<X\n$x\nX", "variable in a string"),
        ("PHP_INT_MAX", "constant"),
        ("\\Acme\\Kit\\Config::PATH", "class constant"),
        ("array_merge([], [])", r"array_merge\(\) has no value"),
        ("require 'other.php'", "merged in"),
        ("[...['a']]", "unpacked"),
        ("true ? 1 : 2", "condition"),
        ("`ls`", "shell command"),
        ("1 + 2", "nothing else is calculated"),
        ("'a' . 1", "only strings can be joined"),
        ("-'a'", "only a number can have a sign"),
        ("new Foo()", "only literals"),
        ("fn () => 1", "only literals"),
        ("[1.5 => 'a']", "array key"),
        ("[[] => 'a']", "array key"),
        ("[-5 => 'a', 'b']", "depends on PHP's version"),
        ("[9223372036854775807 => 'a', 'b']", "no integer key left"),
        ("089", "octal|PHP"),
        ('"\\xff"', "not UTF-8"),
        ('"\\u{D800}"', "no character"),
        ("<<<X\n   a\n b\n  X", "PHP|indented less"),
    ],
)
def test_all_but_literals_is_refused_with_the_reason_and_line(expression: str, reason: str) -> None:
    error = refusal(f"<?php\nreturn [\n  'a' => 1,\n  'k' => {expression},\n];".encode())
    assert error.where.startswith(("config.php:4", "config.php:5"))
    with pytest.raises(TreeError, match=reason):
        raise error


@pytest.mark.parametrize(
    ("source", "line", "message"),
    [
        (b"", 1, "must start with"),
        (b"\xef\xbb\xbf<?php return [];", 1, "byte order mark"),
        (b"\n<?php return [];", 1, "must start with"),
        (b"<?php\n", 1, "returns nothing"),
        (b"<?php\nreturn;", 1, "returns nothing"),
        (b"<?php\n\nreturn 5;", 3, "must return an array"),
        (b"<?php\n$x = 1;\nreturn [];", 2, "only `return`"),
        (b"<?php return []; ?>\nhello", 1, "after \\?>"),
        (b"<?php\nreturn [\n'a' => 1\n'b' => 2];", 4, "not valid PHP"),
        (b"<?php\nreturn [", 2, "not valid PHP"),
        (b"<?php\nreturn [\n'a' => [\n'b' => 1,\n),\n];", 5, "not valid PHP"),
        (b"<?php\nreturn [\n<<<<<<< HEAD\n'a' => 1\n=======\n>>>>>>> b\n];", 3, "merge conflict"),
    ],
)
def test_a_file_that_returns_no_array_is_refused(source: bytes, line: int, message: str) -> None:
    error = refusal(source)
    assert error.where == f"config.php:{line}"
    with pytest.raises(TreeError, match=message):
        raise error


def test_comments_declare_and_a_closing_tag_are_fine() -> None:
    source = b"<?php\n/** doc */\ndeclare(strict_types=1);\n# c\nreturn ['a' => 1]; // d\n?>\n"
    assert read_php_file(source, "config.php").value == {"a": 1}


@pytest.mark.parametrize(
    "bomb", [b"[" * 50_000 + b"]" * 50_000, b"(" * 50_000 + b"1" + b")" * 50_000]
)
def test_deep_nesting_is_refused_and_does_not_exhaust_the_stack(bomb: bytes) -> None:
    assert "deep" in refusal(b"<?php return ['a' => " + bomb + b"];").message


def test_a_long_concatenation_is_no_deep_nesting() -> None:
    assert read(" . ".join(["'x'"] * 2000)) == "x" * 2000


def test_every_entry_knows_its_line() -> None:
    source = b"<?php\nreturn [\n'a' => [\n'b' => 1,\n'c' => [\n'x',\n'y',\n],\n],\n];"
    file = read_php_file(source, "config.php")
    assert file.line_of(("a",)) == 3
    assert file.line_of(("a", "b")) == 4
    assert file.line_of(("a", "c", 1)) == 7
    assert file.line_of(("a", "c", "1")) == 7
    assert file.line_of(("a", "missing", "deeper")) == 3
    assert file.line_of(("missing",)) == 2
    assert file.where("a", "c") == "config.php:5"


def test_of_two_equal_keys_the_last_wins_and_both_lines_are_told() -> None:
    file = read_php_file(b"<?php return [\n'a' => ['x' => 1],\n'b' => 2,\n'a' => 3];", "config.php")
    assert list(file.value.items()) == [("a", 3), ("b", 2)]
    (finding,) = file.findings
    assert finding.where == "config.php:4"
    assert "line 2" in finding.hint
    assert file.line_of(("a", "x")) == 4


def test_decimal_strings_are_integer_keys() -> None:
    assert [php_key(key) for key in ("0", "12", "-5", "01", "-0", "1.0", "", "9" * 30)] == [
        0,
        12,
        -5,
        "01",
        "-0",
        "1.0",
        "",
        "9" * 30,
    ]
