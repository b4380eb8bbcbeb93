import pytest

from builder.deploy.database_status import parse_status, require_answer
from builder.errors import ReleaseError

LINE = '{"tables": 3, "installing": false, "database": {"exit": %d, "said": "a\\nb"}, '
LINE += '"configuration": {"exit": 2, "said": ""}}'


def test_the_last_line_of_json_counts() -> None:
    status = parse_status(f"a notice\n{LINE % 0}\n")
    assert (status.tables, status.installing) == (3, False)
    assert (status.database, status.configuration) == (0, 2)
    require_answer(status)


def test_an_empty_database_has_no_codes() -> None:
    line = '{"tables": 0, "installing": false, "database": null, "configuration": null}'
    status = parse_status(line)
    assert status.database is None
    require_answer(status)


@pytest.mark.parametrize("printed", ["", "Fatal error", "{", '{"tables": 1}'])
def test_no_answer_is_an_error_and_no_crash(printed: str) -> None:
    with pytest.raises(ReleaseError, match="does not say"):
        parse_status(printed)


def test_a_code_that_says_nothing_is_refused_with_what_magento_printed() -> None:
    with pytest.raises(ReleaseError, match="ended with 1") as refused:
        require_answer(parse_status(LINE % 1))
    assert refused.value.details == ("a", "b")
