"""gptqmodel: a checkpoint of its own making, and the weights that it reads from it."""

import sys
from pathlib import Path

import numpy as np
import torch
from gptqmodel import BACKEND, GPTQModel, QuantizeConfig
from safetensors.torch import save_file

from benchmarks.aq.workers import harness


def main(model: str, calibration: str, out: str) -> None:
    """Write `saved`, 4 bits symmetric in groups of 32, and `weights.safetensors`, as gptqmodel dequantizes them."""
    config = QuantizeConfig(bits=4, group_size=32, sym=True, desc_act=False)
    quantized = GPTQModel.load(model, config, dtype=torch.float32, device="cpu")
    names = list(harness.decoder_linears(quantized.model))
    ids = torch.from_numpy(np.load(calibration))
    quantized.quantize([{"input_ids": row, "attention_mask": torch.ones_like(row)} for row in ids], batch_size=8)
    saved = Path(out) / "saved"
    quantized.save(str(saved))
    loaded = GPTQModel.load(str(saved), backend=BACKEND.TORCH, dtype=torch.float16, device="cpu").model
    tensors = {name: loaded.get_submodule(name).dequantize_weight().T.float().contiguous() for name in names}
    save_file(tensors, Path(out) / "weights.safetensors")


if __name__ == "__main__":
    main(*sys.argv[1:])
