"""torchao: int8 weights per channel, int8 activations with a scale of each token, on every linear."""


from benchmarks.gq.workers import harness


def prepare(job: dict):
    import torch
    from torchao.quantization import Int8DynamicActivationInt8WeightConfig, quantize_

    from benchmarks.gq import models

    module = models.network(job["model"])

    def quantize():
        quantize_(module, Int8DynamicActivationInt8WeightConfig())

        def run(batch):
            with torch.no_grad():
                return module(torch.from_numpy(batch)).numpy()

        return run

    return quantize


if __name__ == "__main__":
    harness.main(prepare)
