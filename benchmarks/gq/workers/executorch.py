"""ExecuTorch's own quantizers through PT2E, XNNPACKQuantizer and EthosUQuantizer, with the ranges that they choose."""


from benchmarks.gq.workers import harness


def quantizer(target: str, dynamic: bool = False):
    """The toolchain's own, weights per channel."""
    if target == "xnnpack":
        from executorch.backends.xnnpack.quantizer.xnnpack_quantizer import (
            XNNPACKQuantizer,
            get_symmetric_quantization_config,
        )

        settings = get_symmetric_quantization_config(is_per_channel=True, is_dynamic=dynamic)
        return XNNPACKQuantizer().set_global(settings)
    from executorch.backends.arm.ethosu import EthosUCompileSpec
    from executorch.backends.arm.quantizer import EthosUQuantizer, get_symmetric_quantization_config

    made = EthosUQuantizer(EthosUCompileSpec(target))
    return made.set_global(get_symmetric_quantization_config(is_per_channel=True))


def converted(module, target: str, inputs, dynamic: bool = False, batch: int = 50):
    """The PT2E form of an exported module, calibrated on inputs [n, ...]."""
    import torch
    from torchao.quantization.pt2e.quantize_pt2e import convert_pt2e, prepare_pt2e

    prepared = prepare_pt2e(module, quantizer(target, dynamic))
    with torch.no_grad():
        for at in range(0, len(inputs), batch):
            prepared(torch.from_numpy(inputs[at : at + batch]))
    return convert_pt2e(prepared)


def prepare(job: dict):
    import torch

    from benchmarks.gq import models

    module = models.exported(job["model"]).module(check_guards=False)
    inputs = models.data(job["model"], "calib").inputs
    setting = job["setting"]

    def quantize():
        made = converted(module, setting["target"], inputs, setting["dynamic"], min(50, job["batch"]))

        def run(batch):
            with torch.no_grad():
                return made(torch.from_numpy(batch)).numpy()

        return run

    return quantize


if __name__ == "__main__":
    harness.main(prepare)
