"""What is said of a JSON value of another shape."""

import pytest

from bench.shapes import mismatch


@pytest.mark.parametrize(
    ("value", "shape", "says"),
    [
        ({"a": 1}, {"a": int}, ""),
        ({"a": 1}, {"a": float, "b?": str}, ""),
        ({"a": True}, {"a": float}, "a is True, expected float"),
        ({"a": 1.5}, {"a": int}, "a is 1.5, expected int"),
        ({}, {"a": int}, "a is 'missing', expected int"),
        ({"a": {"b": [1, "x"]}}, {"a": {"b": [int]}}, "a.b[1] is 'x', expected int"),
        ({"a": None}, {"*": (str, type(None))}, ""),
        ({"a": 3}, {"*": (str, type(None))}, "a is 3"),
        ([], {"a": int}, "it is [], expected a mapping"),
        ({"a": 3}, {"a": [int]}, "a is 3, expected a list"),
        ({"a": object}, {"a": object}, ""),
    ],
)
def test_the_shape_of_what_is_read(value, shape, says):
    assert mismatch(value, shape) == says
