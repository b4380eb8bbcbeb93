"""Reads a PHP file that returns an array of literals, such as app/etc/config.php, without PHP.

Only what `var_export` and people write is understood: arrays, strings, numbers, true, false,
null, a sign, concatenation, comments. Everything else is refused with the reason, because its
value would depend on where and when PHP runs it.
"""

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Union

import tree_sitter_php
from tree_sitter import Language, Node, Parser

from builder.errors import TreeError
from builder.magento.finding import Finding

PhpKey = int | str
PhpScalar = None | bool | int | float | str
PhpValue = Union[PhpScalar, "PhpArray"]
PhpArray = dict[PhpKey, PhpValue]

# Magento's own files nest nine levels deep at most (system/stores/code/section/group/field);
# the limit keeps a hostile file from exhausting the stack.
_MAX_DEPTH = 64

_INT_KEY = re.compile(r"(?:0|-?[1-9][0-9]*)")
_INTERPOLATION = re.compile(rb"\$[A-Za-z_\x80-\xff]|\{\$|\$\{")
_ESCAPE = re.compile(rb"\\(?:[0-7]{1,3}|x[0-9A-Fa-f]{1,2}|u\{[0-9A-Fa-f]+\}|.)", re.DOTALL)
_SIMPLE_ESCAPES = {
    b"n": b"\n",
    b"t": b"\t",
    b"r": b"\r",
    b"v": b"\v",
    b"e": b"\x1b",
    b"f": b"\f",
    b"\\": b"\\",
    b"$": b"$",
}
_HEREDOC = re.compile(rb"[bB]?<<<[ \t]*(['\"]?)([A-Za-z_\x80-\xff][\w\x80-\xff]*)\1\r?\n")
_CONFLICT = re.compile(rb"^<<<<<<< ", re.MULTILINE)
_NEWLINE = re.compile(rb"\r\n|\n|\r")

_PLAIN = "write the value itself; what differs between systems belongs to their own settings"
_REASONS: Mapping[str, str] = {
    "name": "a constant has no value without PHP",
    "qualified_name": "a constant has no value without PHP",
    "class_constant_access_expression": "a class constant has no value without PHP",
    "variable_name": "a variable has no value without PHP",
    "dynamic_variable_name": "a variable has no value without PHP",
    "subscript_expression": "a variable has no value without PHP",
    "by_ref": "a reference has no value without PHP",
    "include_expression": "another file's array cannot be merged in without PHP",
    "include_once_expression": "another file's array cannot be merged in without PHP",
    "require_expression": "another file's array cannot be merged in without PHP",
    "require_once_expression": "another file's array cannot be merged in without PHP",
    "variadic_unpacking": "an array cannot be unpacked into another without PHP",
    "conditional_expression": "a condition is decided where PHP runs, not in the image",
    "match_expression": "a condition is decided where PHP runs, not in the image",
    "shell_command_expression": "a shell command must not run to read a setting",
}

_PARSER = Parser(Language(tree_sitter_php.language_php()))


@dataclass(frozen=True, slots=True)
class Lines:
    """Where the entries of an array stand.

    Attributes:
        line: the line of this entry's key (or of its value where it has no key), from 1.
        entries: the entries below, by key; empty for a scalar.
    """

    line: int
    entries: dict[PhpKey, "Lines"] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class PhpFile:
    """A PHP file that returns an array.

    Attributes:
        name: the file, relative to the root, for messages.
        value: the array; keys are int or str as PHP would have them, in PHP's order.
        lines: where its entries stand.
        findings: keys that are given twice.
    """

    name: str
    value: PhpArray
    lines: Lines
    findings: tuple[Finding, ...]

    def line_of(self, path: tuple[PhpKey, ...]) -> int:
        """The line, from 1, of the entry at a path of keys, or of its nearest parent."""
        lines = self.lines
        for key in path:
            below = lines.entries.get(php_key(key))
            if below is None:
                break
            lines = below
        return lines.line

    def where(self, *path: PhpKey) -> str:
        """`app/etc/config.php:12` for the entry at a path of keys, or its nearest parent."""
        return f"{self.name}:{self.line_of(path)}"


def php_key(key: PhpKey) -> PhpKey:
    """A key as PHP keeps it: a decimal integer in a string becomes that integer.

    Source: https://www.php.net/manual/en/language.types.array.php
    """
    if isinstance(key, str) and len(key) <= 20 and _INT_KEY.fullmatch(key):
        number = int(key)
        if -(2**63) <= number < 2**63:
            return number
    return key


def read_php_file(source: bytes, name: str) -> PhpFile:
    """Read a PHP file that returns an array of literals.

    Args:
        source: the file's content.
        name: the file for messages, relative to the root.

    Raises:
        TreeError: it is not PHP, returns no array, or holds more than literals.
    """
    reader = _Reader(name)
    value, lines = reader.read(source)
    return PhpFile(name, value, lines, tuple(reader.findings))


class _Reader:
    def __init__(self, name: str) -> None:
        self.name = name
        self.findings: list[Finding] = []

    def read(self, source: bytes) -> tuple[PhpArray, Lines]:
        if not source.startswith(b"<?php"):
            start = "a byte order mark" if source.startswith(b"\xef\xbb\xbf") else "something else"
            raise TreeError(
                f"the file must start with <?php, but starts with {start}",
                where=f"{self.name}:1",
                hint="remove it: PHP would send it to the browser ahead of every page",
            )
        root = _PARSER.parse(source).root_node
        if root.has_error:
            raise self._broken(root)
        returned: Node | None = None
        for statement in root.named_children:
            if statement.type == "return_statement" and returned is None:
                returned = statement
            elif statement.type == "text_interpolation":
                if (statement.text or b"").strip() != b"?>":
                    raise self._refusal(statement, "text after ?> is sent to the browser")
            elif statement.type not in ("php_tag", "comment", "declare_statement"):
                reason = "only `return` with an array is read here; nothing else would be run"
                raise self._refusal(statement, reason)
        content = [] if returned is None else _operands(returned)
        if len(content) != 1:
            raise TreeError(
                "the file returns nothing", where=f"{self.name}:1", hint="return an array"
            )
        value, lines = self._value(content[0], 0)
        if not isinstance(value, dict):
            raise self._refusal(content[0], "the file must return an array")
        return value, lines

    def _value(self, node: Node, depth: int) -> tuple[PhpValue, Lines]:
        lines = Lines(node.start_point.row + 1)
        if depth > _MAX_DEPTH:
            raise self._refusal(node, f"values may be nested {_MAX_DEPTH} deep at most")
        match node.type:
            case "array_creation_expression":
                return self._array(node, depth, lines)
            case "parenthesized_expression":
                operands = _operands(node)
                return self._value(operands[0], depth + 1)
            case "string":
                return self._decode(node, _unquote_single(_without_prefix(node)[1:-1])), lines
            case "encapsed_string":
                return self._decode(node, self._unescape(node, _without_prefix(node)[1:-1])), lines
            case "heredoc" | "nowdoc":
                return self._decode(node, self._heredoc(node)), lines
            case "integer":
                return self._integer(node), lines
            case "float":
                return float(_text(node).replace("_", "")), lines
            case "unary_op_expression":
                return self._signed(node, depth), lines
            case "binary_expression":
                return self._concatenated(node, depth), lines
        # `\true` is the same as `true`; some coding standards ask for the backslash.
        match _text(node).lower().removeprefix("\\"):
            case "true":
                return True, lines
            case "false":
                return False, lines
            case "null":
                return None, lines
        raise self._refused_expression(node)

    def _array(self, node: Node, depth: int, lines: Lines) -> tuple[PhpArray, Lines]:
        result: PhpArray = {}
        # PHP's next index: one above the highest integer key so far.
        following = 0
        negative = False
        for element in _operands(node):
            operands = _operands(element)
            if element.type != "array_element_initializer" or not 1 <= len(operands) <= 2:
                raise self._refused_expression(element)
            if operands[0].type in ("by_ref", "variadic_unpacking"):
                raise self._refused_expression(operands[0])
            key: PhpKey
            if len(operands) == 2:
                key = self._key(operands[0], depth)
            else:
                key = following
                if following >= 2**63:
                    raise self._refusal(element, "there is no integer key left for this entry")
                if negative:
                    # PHP 8.3 counts on from a negative key, 8.2 starts at 0.
                    reason = "an entry without a key after a negative one depends on PHP's version"
                    raise self._refusal(element, reason)
            value, below = self._value(operands[-1], depth + 1)
            if isinstance(key, int):
                following = max(following, key + 1)
                negative = negative or key < 0
            line = element.start_point.row + 1
            if key in result:
                self.findings.append(
                    Finding(
                        f"the key {key!r} is given twice; PHP takes the last",
                        where=f"{self.name}:{line}",
                        hint=f"remove one of them; the first is in line {lines.entries[key].line}",
                    )
                )
            result[key] = value
            lines.entries[key] = Lines(line, below.entries)
        return result, lines

    def _key(self, node: Node, depth: int) -> PhpKey:
        key, _ = self._value(node, depth + 1)
        match key:
            case None:
                return ""
            case bool():
                return int(key)
            case int() | str():
                return php_key(key)
            case float() if key.is_integer() and abs(key) < 2**63:
                return int(key)
        raise self._refusal(node, "an array key must be an integer or a string")

    def _integer(self, node: Node) -> int | float:
        text = _text(node).replace("_", "").lower()
        if text.startswith(("0x", "0b", "0o")):
            number: int | float = int(text, 0)
        elif len(text) > 1 and text.startswith("0"):
            try:
                number = int(text, 8)
            except ValueError:
                raise self._refusal(node, f"{text} is not an octal number") from None
        elif len(text) > 20:
            return float(text)
        else:
            number = int(text)
        try:
            return number if number < 2**63 else float(number)
        except OverflowError:
            raise self._refusal(node, "the number is too large") from None

    def _signed(self, node: Node, depth: int) -> int | float:
        operands = _operands(node)
        sign = _text(node.children[0])
        if sign not in ("-", "+") or len(operands) != 1:
            raise self._refused_expression(node)
        value, _ = self._value(operands[0], depth + 1)
        if isinstance(value, bool) or not isinstance(value, int | float):
            raise self._refusal(node, "only a number can have a sign")
        return -value if sign == "-" else value

    def _concatenated(self, node: Node, depth: int) -> str:
        # `'a' . 'b' . …` nests to the left as deep as it is long: follow that in a loop.
        parts: list[str] = []
        current = node
        while current.type == "binary_expression":
            operator = current.child_by_field_name("operator")
            operands = _operands(current)
            if operator is None or _text(operator) != "." or len(operands) != 2:
                raise self._refusal(
                    current, "only strings can be joined; nothing else is calculated"
                )
            parts.append(self._string(operands[1], depth))
            current = operands[0]
        parts.append(self._string(current, depth))
        return "".join(reversed(parts))

    def _string(self, node: Node, depth: int) -> str:
        value, _ = self._value(node, depth + 1)
        if not isinstance(value, str):
            raise self._refusal(node, "only strings can be joined")
        return value

    def _heredoc(self, node: Node) -> bytes:
        source = node.text or b""
        start = _HEREDOC.match(source)
        if start is None:
            raise self._refusal(node, "the heredoc cannot be read")
        lines = _NEWLINE.split(source[start.end() :])
        breaks = _NEWLINE.findall(source[start.end() :])
        # The closing label's indentation is taken off each line (PHP 7.3).
        indent = lines[-1][: len(lines[-1]) - len(lines[-1].lstrip(b" \t"))]
        body = b""
        for index, line in enumerate(lines[:-1]):
            if line.strip(b" \t") and not line.startswith(indent):
                raise self._refusal(node, "a line of the heredoc is indented less than its end")
            body += line[len(indent) :] + (breaks[index] if index < len(lines) - 2 else b"")
        return body if start[1] == b"'" else self._unescape(node, body, quote=b"")

    def _unescape(self, node: Node, body: bytes, quote: bytes = b'"') -> bytes:
        # Scan for interpolation outside of escapes: "\$x" is plain text.
        if _INTERPOLATION.search(_ESCAPE.sub(b"  ", body)):
            raise self._refusal(node, "a variable in a string has no value without PHP")

        def replace(match: re.Match[bytes]) -> bytes:
            escape = match[0][1:]
            if escape[:1] in b"01234567":
                return bytes([int(escape, 8) & 0xFF])
            if escape[:1] == b"x" and len(escape) > 1:
                return bytes([int(escape[1:], 16)])
            if escape[:1] == b"u" and len(escape) > 1:
                return self._code_point(node, escape[2:-1])
            if escape == quote:
                return quote
            return _SIMPLE_ESCAPES.get(escape, match[0])

        return _ESCAPE.sub(replace, body)

    def _code_point(self, node: Node, digits: bytes) -> bytes:
        number = int(digits, 16)
        if number > 0x10FFFF or 0xD800 <= number < 0xE000:
            raise self._refusal(node, f"\\u{{{digits.decode()}}} is no character")
        return chr(number).encode()

    def _decode(self, node: Node, value: bytes) -> str:
        try:
            return value.decode("utf-8")
        except UnicodeDecodeError:
            raise self._refusal(node, "the string is not UTF-8") from None

    def _broken(self, root: Node) -> TreeError:
        source = root.text or b""
        if conflict := _CONFLICT.search(source):
            line = source.count(b"\n", 0, conflict.start()) + 1
            return TreeError(
                "the file holds an unresolved merge conflict",
                where=f"{self.name}:{line}",
                hint="decide for one side, or mix the two, and remove the markers",
            )
        node = root
        while broken := [child for child in node.children if child.has_error or child.is_missing]:
            node = broken[0]
        # What could not be read any more comes last in the erroneous stretch.
        last = node.children[-1] if node.children else node
        return TreeError(
            "the file is not valid PHP",
            where=f"{self.name}:{last.start_point.row + 1}",
            hint=f"run `php -l {self.name}` to see what is wrong",
        )

    def _refused_expression(self, node: Node) -> TreeError:
        if node.type == "function_call_expression":
            function = node.child_by_field_name("function")
            called = _text(function) if function is not None else "a function"
            if called.lower().lstrip("\\") in ("getenv", "env"):
                reason = (
                    f"{called}() is evaluated once, by app:config:dump, and flattened into the "
                    "image; it is not asked again in production"
                )
            else:
                reason = f"{called}() has no value without PHP"
        else:
            reason = _REASONS.get(node.type, "only literals can be read without PHP")
        return self._refusal(node, reason)

    def _refusal(self, node: Node, reason: str) -> TreeError:
        return TreeError(reason, where=f"{self.name}:{node.start_point.row + 1}", hint=_PLAIN)


def _operands(node: Node) -> list[Node]:
    return [child for child in node.named_children if child.type != "comment"]


def _text(node: Node) -> str:
    return (node.text or b"").decode("utf-8", "replace")


def _without_prefix(node: Node) -> bytes:
    # b'…' is the same as '…'.
    return (node.text or b"").lstrip(b"bB")


def _unquote_single(body: bytes) -> bytes:
    return re.sub(rb"\\([\\'])", rb"\1", body)
