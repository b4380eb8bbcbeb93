"""Writes values as PHP literals, in the many ways that PHP has, for property tests."""

from collections.abc import Callable

from hypothesis import strategies as st

from builder.magento.php_array import PhpArray, PhpKey, PhpValue, php_key

# No NUL: tree-sitter takes it for the end of the file, where PHP goes on.
TEXT = st.text("abXY_09 \n\r\t\v\f\x1b$'\"\\{}[]()#/*;,.?<>=éü€😀\x7f", max_size=12)
KEYS = st.integers(min_value=0, max_value=2**40) | TEXT.map(php_key)
SCALARS = (
    st.none()
    | st.booleans()
    | st.integers(min_value=-(2**63) + 1, max_value=2**63 - 1)
    | st.floats(allow_nan=False, allow_infinity=False)
    | TEXT
)


def arrays() -> st.SearchStrategy[PhpArray]:
    """Nested arrays with keys as PHP keeps them."""

    def array(values: st.SearchStrategy[PhpValue]) -> st.SearchStrategy[PhpArray]:
        return st.dictionaries(KEYS, values, max_size=4)

    values: st.SearchStrategy[PhpValue] = st.recursive(SCALARS, array, max_leaves=12)
    return array(values)


def write_single(text: str) -> str:
    """As `'…'`."""
    return "'" + text.replace("\\", "\\\\").replace("'", "\\'") + "'"


def write_double(text: str) -> str:
    """As `"…"`, with escapes of all kinds."""
    escapes = {"\n": "\\n", "\r": "\\r", "\t": "\\t", "\v": "\\v", "\f": "\\f", "\x1b": "\\e"}
    escapes |= {"\\": "\\\\", "$": "\\$", '"': '\\"', "\x7f": "\\x7f"}
    escapes |= {"😀": "\\u{1F600}"}
    return '"' + "".join(escapes.get(character, character) for character in text) + '"'


def write_heredoc(text: str) -> str:
    """As `<<<END`, indented."""
    body = write_double(text)[1:-1].replace('\\"', '"')
    return f"<<<END\n    {body}\n    END"


def write_nowdoc(text: str) -> str:
    """As `<<<'END'`; falls back to quotes for text that could end it early."""
    if "\r" in text:
        return write_single(text)
    return f"<<<'END_OF_IT'\n{text}\nEND_OF_IT"


def write_joined(text: str) -> str:
    """As several strings joined by dots."""
    middle = len(text) // 2
    return f"{write_single(text[:middle])} . {write_double(text[middle:])}"


STRINGS: tuple[Callable[[str], str], ...] = (
    write_single,
    write_double,
    write_heredoc,
    write_nowdoc,
    write_joined,
)


def write_value(value: PhpValue, choose: Callable[[int], int]) -> str:
    """A value as PHP text; `choose(n)` picks one of n ways to write it."""
    match value:
        case None:
            return ("null", "NULL", "\\null")[choose(3)]
        case bool():
            return (str(value).lower(), str(value).upper())[choose(2)]
        case int():
            sign = "-" if value < 0 else ""
            digits = abs(value)
            ways = (str(digits), hex(digits), f"0{digits:o}", bin(digits), f"{digits:_}")
            return sign + ways[choose(len(ways))]
        case float():
            # `1e22` is a float in PHP as it is here; repr() always has a point or an exponent.
            return repr(value)
        case str():
            return STRINGS[choose(len(STRINGS))](value)
        case dict():
            return write_array(value, choose)


def write_array(value: PhpArray, choose: Callable[[int], int]) -> str:
    """An array as PHP text, with comments and with keys left out where PHP counts on."""
    following = 0
    entries = []
    for key, item in value.items():
        written = write_value(item, choose)
        if not (key == following and choose(2)):
            written = f"{write_key(key, choose)} => {written}"
        if isinstance(key, int):
            following = max(following, key + 1)
        comment = ("", "/* it's */ ", "// 'x\n", '# "\n')[choose(4)]
        entries.append(comment + written)
    inner = ",\n".join(entries) + ("," if entries and choose(2) else "")
    return (f"[{inner}]", f"array({inner})")[choose(2)]


def write_key(key: PhpKey, choose: Callable[[int], int]) -> str:
    """A key; an integer may be written as a string, which PHP turns back."""
    return write_single(str(key)) if choose(2) else write_value(key, choose)
