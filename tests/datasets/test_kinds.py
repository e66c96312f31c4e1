import pyarrow as pa
import pytest

from edgewright.datasets.kinds import kind

_ENCODED = pa.struct({"bytes": pa.binary(), "path": pa.string()})


@pytest.mark.parametrize(("column_type", "expected"), [
    (pa.string(), "text"), (pa.large_string(), "text"), (pa.string_view(), "text"),
    (pa.binary(), "bytes"), (pa.binary(4), "bytes"), (_ENCODED, "bytes and path"),
    (pa.int8(), "numbers"), (pa.float16(), "numbers"), (pa.bool_(), "numbers"),
    (pa.list_(pa.list_(pa.uint8())), "lists of numbers"), (pa.list_(pa.float32(), 12), "lists of numbers"),
    (pa.list_(pa.null()), "lists of numbers"), (pa.null(), None),
    (pa.list_(pa.string()), "list<item: string>"), (pa.struct({"a": pa.int64()}), "struct<a: int64>"),
    (pa.timestamp("s"), "timestamp[s]"),
])
def test_kind_of_a_column(column_type, expected):
    assert kind(column_type) == expected
