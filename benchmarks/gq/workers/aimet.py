"""AIMET on ONNX: a simulation with min-max or tf-enhanced ranges, weights per channel."""


import numpy as np

from benchmarks.gq.workers import harness


def prepare(job: dict):
    import onnx
    from aimet_common.defs import QuantScheme
    from aimet_onnx.quantsim import QuantizationSimModel
    from aimet_onnx.utils import duplicate_shared_initializers

    model, images, setting = onnx.load(job["onnx"]), np.load(job["calibration"]), job["setting"]
    scheme = {
        "min-max": QuantScheme.post_training_tf, "tf-enhanced": QuantScheme.post_training_tf_enhanced,
    }[setting["ranges"]]  # fmt: skip

    duplicate_shared_initializers(model.graph)

    def quantize():
        simulation = QuantizationSimModel(
            model, quant_scheme=scheme, default_param_bw=setting["bits"], default_activation_bw=8,
        )
        simulation.compute_encodings([{"x": images[at : at + 1]} for at in range(len(images))])

        def run(batch):
            return np.concatenate(
                [simulation.session.run(None, {"x": batch[at : at + 1]})[0] for at in range(len(batch))]
            )

        return run

    return quantize


if __name__ == "__main__":
    harness.main(prepare)
