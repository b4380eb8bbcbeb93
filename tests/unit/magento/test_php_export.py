import pytest
from hypothesis import given

from builder.magento.php_array import PhpArray, read_php_file
from builder.magento.php_export import export_php_file
from tests.unit.magento.php_literals import arrays


@given(arrays())
def test_what_is_written_is_read_back(value: PhpArray) -> None:
    read = read_php_file(export_php_file(value).encode(), "config.php").value
    assert read == value
    assert repr(read) == repr(value)


def test_it_is_laid_out_as_magento_does() -> None:
    value: PhpArray = {
        "modules": {"Acme_Kit": 1, "Acme_Off": 0},
        "list": {0: "a", 1: {"x": None, "y": True}},
        "gaps": {0: "a", 2: "b"},
        "none": {},
        "it's \\": 1.0,
    }
    assert export_php_file(value) == (
        "<?php\nreturn [\n"
        "    'modules' => [\n        'Acme_Kit' => 1,\n        'Acme_Off' => 0\n    ],\n"
        "    'list' => [\n        'a',\n        [\n            'x' => null,\n"
        "            'y' => true\n        ]\n    ],\n"
        "    'gaps' => [\n        0 => 'a',\n        2 => 'b'\n    ],\n"
        "    'none' => [\n\n    ],\n"
        "    'it\\'s \\\\' => 1.0\n];\n"
    )


def test_what_php_has_no_number_for_is_refused() -> None:
    for number in (2**63, -(2**63) - 1, float("inf")):
        with pytest.raises(ValueError, match=r"integer|Inf"):
            export_php_file({"a": number})
