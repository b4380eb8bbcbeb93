"""What registries and proxies say when they refuse."""

import pytest

from builder.registry.explain import read_errors


@pytest.mark.parametrize(
    ("text", "codes", "lines"),
    [
        ('{"errors":[{"code":"X","message":"m"}]}', {"X"}, ("X: m",)),
        ('{"errors":null}', set(), ()),
        ('{"errors":[1]}', set(), ('{"errors":[1]}',)),
        ("plain words\nmore", set(), ("plain words",)),
        ("<html>", set(), ()),
        ("", set(), ()),
    ],
)
def test_errors_of_registries_and_proxies_are_read(
    text: str, codes: set[str], lines: tuple[str, ...]
) -> None:
    assert read_errors(text) == (frozenset(codes), lines)
