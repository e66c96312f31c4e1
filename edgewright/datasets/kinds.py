"""What the columns of a dataset hold, as they were read, and which of it goes with a role."""

from typing import Any

EXPECTED = {
    "text": ("text", ("text",)),
    "image": ("encoded images or paths to them", ("bytes", "text", "bytes and path")),
    "input": ("numbers or lists of numbers", ("numbers", "lists of numbers")),
    "label": ("class indices or names", ("numbers", "text")),
}
"""Role to what its column is expected to hold: in words, and the kinds that are."""


def kind(column_type: Any) -> str | None:
    """The kind of a pyarrow type, None for a column of nulls; the type's own name where no role takes it."""
    import pyarrow as pa

    types = pa.types
    inner = column_type.storage_type if isinstance(column_type, pa.BaseExtensionType) else column_type
    if types.is_null(inner):
        return None
    if types.is_string(inner) or types.is_large_string(inner) or types.is_string_view(inner):
        return "text"
    if types.is_binary(inner) or types.is_large_binary(inner) or types.is_fixed_size_binary(inner):
        return "bytes"
    if types.is_struct(inner) and {"bytes", "path"} & {field.name for field in inner}:
        return "bytes and path"
    is_list = False
    while types.is_list(inner) or types.is_large_list(inner) or types.is_fixed_size_list(inner):
        is_list, inner = True, inner.value_type
    if types.is_integer(inner) or types.is_floating(inner) or types.is_boolean(inner) or types.is_null(inner):
        return "lists of numbers" if is_list else "numbers"
    return str(column_type)
