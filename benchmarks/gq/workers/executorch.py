"""ExecuTorch's own quantizers through PT2E, XNNPACKQuantizer and EthosUQuantizer, with the ranges that they choose."""


from benchmarks.gq.workers import harness


def quantizer(target: str):
    """The toolchain's own, weights per channel."""
    if target == "xnnpack":
        from executorch.backends.xnnpack.quantizer.xnnpack_quantizer import (
            XNNPACKQuantizer,
            get_symmetric_quantization_config,
        )

        return XNNPACKQuantizer().set_global(get_symmetric_quantization_config(is_per_channel=True))
    from executorch.backends.arm.ethosu import EthosUCompileSpec
    from executorch.backends.arm.quantizer import EthosUQuantizer, get_symmetric_quantization_config

    made = EthosUQuantizer(EthosUCompileSpec(target))
    return made.set_global(get_symmetric_quantization_config(is_per_channel=True))


def converted(model: str, target: str, images):
    """The PT2E module of a shipped classifier."""
    import torch
    from torchao.quantization.pt2e.quantize_pt2e import convert_pt2e, prepare_pt2e

    from benchmarks.gq import ours

    program = ours.exported(model)
    prepared = prepare_pt2e(program.module(check_guards=False), quantizer(target))
    with torch.no_grad():
        for at in range(0, len(images), 50):
            prepared(torch.from_numpy(images[at : at + 50]))
    return convert_pt2e(prepared)


def prepare(job: dict):
    import torch

    from benchmarks.gq import ours

    ours.exported(job["model"])
    images = ours.data(job["model"], "calib").images

    def quantize():
        module = converted(job["model"], job["setting"]["target"], images)

        def run(batch):
            with torch.no_grad():
                return module(torch.from_numpy(batch)).numpy()

        return run

    return quantize


if __name__ == "__main__":
    harness.main(prepare)
