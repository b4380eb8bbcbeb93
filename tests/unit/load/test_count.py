from tests.load.count import Counted, count_rows, wait_until_none_is_lost


def test_each_wanted_value_is_lost_once_or_repeated() -> None:
    counted = count_rows(lambda _: "a\nb\nc\nb\nx\nx", "SELECT id FROM t", ["a", "b", "d"])
    assert counted == Counted(asked=3, lost=["d"], repeated=["b"])
    assert not counted.is_exact


def test_nothing_in_the_table_is_all_lost() -> None:
    assert count_rows(lambda _: "", "SELECT id FROM t", ["a"]).lost == ["a"]


def test_waiting_ends_when_nothing_is_lost_or_the_time_is_over() -> None:
    counts = [Counted(1, ["a"], []), Counted(1, [], [])]
    assert wait_until_none_is_lost(lambda: counts.pop(0), 60).is_exact
    assert wait_until_none_is_lost(lambda: Counted(1, ["a"], []), 0).lost == ["a"]
