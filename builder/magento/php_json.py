"""JSON as PHP's json_decode(…, true) reads and json_encode writes it.

Composer hashes what PHP makes of composer.json, so every quirk counts: an empty object
becomes an empty list, slashes are escaped, floats are written PHP's way.
"""

import json
from typing import Any

from builder.errors import TreeError

# PHP's default depth of json_decode (https://www.php.net/json_decode).
_MAX_DEPTH = 512


def parse_object(content: bytes, where: str) -> dict[str, Any]:
    """Parse a file that must hold a JSON object, as strictly as PHP does.

    Args:
        content: the file's bytes.
        where: the file's name for messages, e.g. `composer.json`.

    Raises:
        TreeError: not UTF-8, not JSON, nested deeper than 512, or not an object.
    """
    try:
        text = content.decode("utf-8")
    except UnicodeDecodeError as error:
        line = content.count(b"\n", 0, error.start) + 1
        raise TreeError("the file is not UTF-8", where=f"{where}:{line}") from None
    try:
        value = json.loads(text, parse_int=_parse_int, parse_constant=_refuse_constant)
        depth = _depth(value)
    except json.JSONDecodeError as error:
        raise TreeError(
            f"the file is not JSON: {error.msg}",
            where=f"{where}:{error.lineno}",
            hint="run `composer validate` to see what Composer makes of it",
        ) from None
    except (ValueError, RecursionError) as error:
        reason = "nested too deeply" if isinstance(error, RecursionError) else str(error)
        raise TreeError(f"the file is not JSON that PHP reads: {reason}", where=where) from None
    if depth > _MAX_DEPTH:
        raise TreeError("the file is nested too deeply", where=where)
    if not isinstance(value, dict):
        raise TreeError("the file must hold a JSON object", where=f"{where}:1")
    return value


def encode(value: Any) -> str:
    """Write a parsed value as PHP's json_encode does without flags.

    Raises:
        ValueError: PHP cannot encode it (an unpaired surrogate, an infinite number).
    """
    if value is None:
        return "null"
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, int):
        return str(value)
    if isinstance(value, float):
        return _encode_float(value)
    if isinstance(value, str):
        return _encode_string(value)
    if isinstance(value, dict):
        # A PHP array whose keys count up from 0 is a list, and numeric strings are integer
        # keys; so {} becomes [] and {"0": "a"} becomes ["a"].
        if list(value) != [str(index) for index in range(len(value))]:
            pairs = (f"{_encode_string(key)}:{encode(item)}" for key, item in value.items())
            return "{" + ",".join(pairs) + "}"
        value = list(value.values())
    return "[" + ",".join(encode(item) for item in value) + "]"


def _encode_string(text: str) -> str:
    text.encode("utf-8")  # UnicodeEncodeError is a ValueError: PHP refuses lone surrogates too.
    # Python escapes DEL, PHP does not; PHP escapes the slash, Python does not.
    parts = (json.dumps(part)[1:-1].replace("/", "\\/") for part in text.split("\x7f"))
    return '"' + "\x7f".join(parts) + '"'


def _encode_float(number: float) -> str:
    """serialize_precision=-1: the shortest digits that read back, laid out by php_gcvt(17)."""
    if number in (float("inf"), float("-inf")):
        raise ValueError("Inf cannot be JSON encoded")
    sign, digits, point = _decimal_digits(number)
    if digits == "0":
        return f"{sign}0"
    if point > 17 or point < -3:
        mantissa = f"{digits[0]}.{digits[1:] or '0'}"
        return f"{sign}{mantissa}e{point - 1:+d}"
    if point <= 0:
        return f"{sign}0.{'0' * -point}{digits}"
    if len(digits) <= point:
        return f"{sign}{digits}{'0' * (point - len(digits))}"
    return f"{sign}{digits[:point]}.{digits[point:]}"


def _decimal_digits(number: float) -> tuple[str, str, int]:
    """Sign, shortest digits, and where the decimal point is: value = 0.digits * 10**point."""
    text = repr(number)
    sign = "-" if text.startswith("-") else ""
    mantissa, _, exponent = text.lstrip("-").partition("e")
    whole, _, fraction = mantissa.partition(".")
    digits = whole + fraction
    point = len(whole) + int(exponent or 0)
    stripped = digits.lstrip("0")
    point -= len(digits) - len(stripped)
    return sign, stripped.rstrip("0") or "0", point


def _parse_int(text: str) -> int | float:
    # float() first: int() refuses numbers of thousands of digits with a ValueError of its own.
    if len(text) > 20:
        return float(text)
    number = int(text)
    return number if -(2**63) <= number < 2**63 else float(number)


def _refuse_constant(text: str) -> None:
    raise ValueError(f"{text} is not JSON")


def _depth(value: Any) -> int:
    depth = 0
    level = [value]
    while level := [item for item in level if isinstance(item, dict | list)]:
        depth += 1
        level = [
            child for item in level for child in (item.values() if isinstance(item, dict) else item)
        ]
    return depth
