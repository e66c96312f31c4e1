"""The Conv1D modules of GPT-2-like models in transformers: Linear layers whose weight is stored transposed."""

from torch import nn

from edgewright.models.empty import without_weights
from edgewright.models.quantized import QuantizedLinear


def names(model: nn.Module) -> tuple[str, ...]:
    """Paths of the Conv1D modules of `model`."""
    from transformers.pytorch_utils import Conv1D

    return tuple(name for name, module in model.named_modules() if isinstance(module, Conv1D))


def replace(model: nn.Module) -> None:
    """Put an `nn.Linear` of the same function and name in the place of every Conv1D of `model`.

    Conv1D computes x W + b with W [in, out] (Radford et al. 2019, as transformers has it); Linear has W transposed.
    """
    for name in names(model):
        module = model.get_submodule(name)
        weight, bias = module.weight, module.bias
        linear = nn.Linear(1, 1, device="meta")
        linear.in_features, linear.out_features = weight.shape
        linear.weight = nn.Parameter(weight.detach().mT.contiguous(), weight.requires_grad)
        linear.bias = bias
        linear.train(module.training)
        parent, _, leaf = name.rpartition(".")
        setattr(model.get_submodule(parent), leaf, linear)


def original_names(model: nn.Module) -> tuple[str, ...]:
    """Paths of the Linear layers that are Conv1D where transformers builds the model; none for other models."""
    if getattr(model, "config", None) is None:
        return ()
    from transformers import PreTrainedModel

    if not isinstance(model, PreTrainedModel):
        return ()
    with without_weights():
        original = names(type(model)(model.config))
    linears = {name for name, module in model.named_modules() if isinstance(module, nn.Linear | QuantizedLinear)}
    return tuple(name for name in original if name in linears)
