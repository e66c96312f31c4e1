"""The Program: a `torch.export.ExportedProgram` in canonical form, with module scopes and provenance."""

from edgewright.ir.canonical import canonicalize, example_inputs
from edgewright.ir.describe import constant_bytes, describe, operator_name
from edgewright.ir.edit import constant, relift, specialize, tensor_of, unlift
from edgewright.ir.export import export
from edgewright.ir.files import load, read, save
from edgewright.ir.operators import register
from edgewright.ir.scope import ModuleStack, adopt, scope, smallest_scope
from edgewright.ir.signature import user_inputs
from edgewright.ir.verify import verify

__all__ = [
    "ModuleStack", "adopt", "canonicalize", "constant", "constant_bytes", "describe", "example_inputs", "export",
    "load", "operator_name", "read", "register", "relift", "save", "scope", "smallest_scope", "specialize", "tensor_of",
    "unlift", "user_inputs", "verify",
]
