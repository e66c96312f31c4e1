"""Tiny random models of the architectures of transformers, and a way to run them in float64."""

from collections.abc import Callable
from types import MethodType
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn
from torch.overrides import TorchFunctionMode

from edgewright.models import conv1d

VOCABULARY, LENGTH = 48, 12

_SIZES = {
    "vocab_size": VOCABULARY, "hidden_size": 32, "intermediate_size": 44, "num_hidden_layers": 2,
    "num_attention_heads": 4, "num_key_value_heads": 2, "max_position_embeddings": 32, "head_dim": 8,
    "pad_token_id": 0, "bos_token_id": 0, "eos_token_id": 0, "tie_word_embeddings": False,
}  # fmt: skip
_CAUSAL: dict[str, tuple[str, dict[str, Any]]] = {
    "qwen2": ("Qwen2", {}),
    "qwen3": ("Qwen3", {"tie_word_embeddings": True}),
    "mistral": ("Mistral", {}),
    "gemma": ("Gemma", {"tie_word_embeddings": True}),
    "gemma2": ("Gemma2", {"tie_word_embeddings": True}),
    "phi": ("Phi", {"num_key_value_heads": 4}),
    "opt": ("OPT", {"ffn_dim": 44, "word_embed_proj_dim": 32, "tie_word_embeddings": True}),
    "gpt-neox": ("GPTNeoX", {"rotary_pct": 0.5}),
    "gpt2": ("GPT2", {"n_embd": 32, "n_inner": 44, "n_layer": 2, "n_head": 4, "tie_word_embeddings": True}),
}
_VIT = {
    "hidden_size": 32, "num_hidden_layers": 2, "num_attention_heads": 4, "intermediate_size": 44, "image_size": 8,
    "patch_size": 4, "num_labels": 5,
}  # fmt: skip


def causal(name: str) -> nn.Module:
    """A causal language model; its forward takes token ids and returns the logits."""
    import transformers

    family, fields = _CAUSAL[name]
    config = getattr(transformers, f"{family}Config")(**{**_SIZES, **fields})
    return _only_logits(transformers.AutoModelForCausalLM.from_config(config), "input_ids", use_cache=False)


def vit() -> nn.Module:
    """A vision transformer; its forward takes pixels and returns the logits."""
    import transformers

    config = transformers.ViTConfig(**_VIT)
    return _only_logits(transformers.ViTForImageClassification(config), "pixel_values")


def _only_logits(model: Any, argument: str, **fields: Any) -> nn.Module:
    whole = model.forward

    def forward(self: nn.Module, x: Tensor) -> Tensor:
        return whole(**{argument: x}, **fields).logits

    model.forward = MethodType(forward, model)
    with torch.no_grad():
        for path, parameter in model.named_parameters():
            if parameter.ndim == 1:
                parameter += 0.1 * torch.randn_like(parameter)
            elif "token" not in path:
                parameter *= 8.0
    conv1d.replace(model)
    return model


def ids(rng: np.random.Generator) -> np.ndarray:
    """Tokens [samples, length]."""
    return rng.integers(1, VOCABULARY, (20, LENGTH))


def pixels(rng: np.random.Generator) -> np.ndarray:
    """Images [samples, 3, 8, 8]."""
    return rng.standard_normal((20, 3, 8, 8)).astype(np.float32)


ARCHITECTURES: dict[str, tuple[Callable[[], nn.Module], Callable[[np.random.Generator], np.ndarray]]] = {
    **{name: (lambda name=name: causal(name), ids) for name in _CAUSAL},
    "vit": (vit, pixels),
}


class _Wide(TorchFunctionMode):
    def __torch_function__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        def widened(value: Any) -> Any:
            return torch.float64 if value is torch.float32 else value

        if func is Tensor.float:
            return args[0].to(torch.float64)
        return func(*map(widened, args), **{key: widened(value) for key, value in (kwargs or {}).items()})


def widen(module: nn.Module) -> None:
    """Make a model compute in float64 throughout, also where its code casts to float32."""
    module.double()
    narrow = module.forward

    def forward(*inputs: Tensor) -> Any:
        with _Wide():
            return narrow(*inputs)

    module.forward = forward
