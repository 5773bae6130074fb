import pytest

from bench.words import did_you_mean, few, listed


def test_words_are_listed_as_in_a_sentence():
    assert [listed(list(words)) for words in ("", "a", "ab", "abcd")] == ["", "a", "a and b", "a, b, c and d"]


@pytest.mark.parametrize(
    ("words", "text"),
    [("", ""), ("a", "a"), ("ab", "a, b"), ("abc", "a, b, c"), ("abcd", "a, b and 2 more")],
)
def test_few_words_leave_none_out_alone(words, text):
    assert few(list(words), 2) == text


def test_the_nearest_name_is_proposed_where_one_is_near():
    assert did_you_mean("dept", {"depth": 1, "width": 2}) == "; did you mean 'depth'?"
    assert did_you_mean("zzz", ["depth"]) == did_you_mean("depth", []) == ""
