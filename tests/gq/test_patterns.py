import pytest

from edgewright.errors import ConfigError
from edgewright.gq import patterns

ITEMS = [("a.one", "a"), ("a.two", "a"), ("b",)]


def test_the_last_match_wins_and_what_none_matches_has_the_default():
    said = {"a": 1, "*.two": 2}
    assert [patterns.last(said, names, 0) for names in ITEMS] == [1, 2, 0]


def test_a_pattern_that_matches_nothing_names_the_nearest():
    with pytest.raises(ConfigError, match=r"gq: the pattern 'a.onr' matches no thing of the program .*'a.one'"):
        patterns.check({"a.onr": 1}, ITEMS, "gq", "thing")


@pytest.mark.parametrize("said", [{"a": 1, "*": 2}, {"a": 1, "a.one": 2, "a.two": 3}, {"a": 1, "b": 1, "a*": 2}])
def test_a_pattern_that_later_ones_contradict_everywhere_is_refused_with_their_names(said):
    with pytest.raises(ConfigError) as caught:
        patterns.check(said, ITEMS, "gq", "thing")
    message = str(caught.value)
    assert "'a' has no effect" in message
    assert any(f"'{other}'" in message for other in list(said)[1:])
    assert "\n" not in message


@pytest.mark.parametrize("said", [{"*": 1, "a": 2}, {"a": 1, "a.one": 2}, {"a": 1, "*": 1}])
def test_exceptions_and_repetitions_are_no_contradiction(said):
    patterns.check(said, ITEMS, "gq", "thing")
