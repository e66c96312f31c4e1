"""The operators that may stand in a Program, beside ATen: the standard quantization operators."""

from functools import cache

NAMESPACES = frozenset({"aten", "quantized_decomposed", "torchao"})


@cache
def register() -> None:
    """Import what registers the quantization operators with torch."""
    import torch.ao.quantization.fx._decomposed  # noqa: F401
    import torchao.quantization.quant_primitives  # noqa: F401
