import pytest

from edgewright.errors import first_line


@pytest.mark.parametrize(("message", "expected"), [
    ("one\ntwo", "one"), ("\n \n two \nthree", "two"), ("", "OSError"), (" \n", "OSError"),
])
def test_first_line(message, expected):
    assert first_line(OSError(message)) == expected
