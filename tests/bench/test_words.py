import pytest

from bench.words import few, listed


def test_words_are_listed_as_in_a_sentence():
    assert [listed(list(words)) for words in ("", "a", "ab", "abcd")] == ["", "a", "a and b", "a, b, c and d"]


@pytest.mark.parametrize(
    ("words", "text"),
    [("", ""), ("a", "a"), ("ab", "a, b"), ("abc", "a, b, c"), ("abcd", "a, b and 2 more")],
)
def test_few_words_leave_none_out_alone(words, text):
    assert few(list(words), 2) == text
