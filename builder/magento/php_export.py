"""Writes an array as Magento writes app/etc/config.php, byte for byte.

Source: `Magento\\Framework\\App\\DeploymentConfig\\Writer\\PhpFormatter` of 2.4.7-p3, without
comments, and PHP's var_export. Floats alone, which Magento cuts to 14 digits (app/bootstrap.php:
serialize_precision), are written in full.
"""

from builder.magento.php_array import PhpArray, PhpKey, PhpScalar, PhpValue
from builder.magento.php_json import encode

_INDENT = "    "
_SMALLEST = -(2**63)


def export_php_file(value: PhpArray) -> str:
    """A PHP file that returns the array.

    Raises:
        ValueError: a number is none that PHP has.
    """
    return f"<?php\nreturn {_export(value, 1)};\n"


def _export(value: PhpValue, depth: int) -> str:
    if not isinstance(value, dict):
        return _scalar(value)
    # A list has no keys; an empty array has an empty line, as Magento writes it.
    listed = list(value) == list(range(len(value))) and bool(value)
    lines = [
        _INDENT * depth + ("" if listed else f"{_key(key)} => ") + _export(below, depth + 1)
        for key, below in value.items()
    ]
    return "[\n" + ",\n".join(lines) + "\n" + _INDENT * (depth - 1) + "]"


def _key(key: PhpKey) -> str:
    return _scalar(key)


def _scalar(value: PhpScalar) -> str:
    match value:
        case None:
            return "null"
        case bool():
            return "true" if value else "false"
        case int():
            if not -_SMALLEST > value >= _SMALLEST:
                raise ValueError(f"{value} is no integer of PHP's")
            return str(value) if value != _SMALLEST else f"{value + 1}-1"
        case float():
            return _float(value)
        case str():
            return _string(value)


def _string(text: str) -> str:
    quoted = text.replace("\\", "\\\\").replace("'", "\\'")
    return "'" + quoted.replace("\0", "' . \"\\0\" . '") + "'"


def _float(number: float) -> str:
    # The shortest digits that read back, with serialize_precision -1 as json_encode has them.
    text = encode(number).replace("e", "E")
    return text if "." in text or "E" in text else f"{text}.0"
