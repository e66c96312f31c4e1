"""Names by which encodings.json and `layers` call tensors and operators: those of the Program."""

from edgewright.ir.names import name_tensors

__all__ = ["name_tensors"]
