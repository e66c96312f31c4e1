"""AIMET's mixed precision: AMP with either of its searches, and LiteMP at each share of flipped layers."""


import numpy as np

from benchmarks.gq.workers import points

_FLOAT = 100.0
"""Score of the float network, in dB."""


def _simulation(job: dict, images, bits: int):
    import onnx
    from aimet_common.defs import QuantScheme
    from aimet_onnx.quantsim import QuantizationSimModel

    made = QuantizationSimModel(
        onnx.load(job["onnx"]), quant_scheme=QuantScheme.post_training_tf_enhanced, default_param_bw=bits,
        default_activation_bw=8,
    )
    made.compute_encodings([{"x": images[at : at + 1]} for at in range(len(images))])
    return made


def _weight_bytes(simulation) -> float:
    weights = {item.name: int(np.prod(item.dims)) for item in simulation.model.model.graph.initializer
               if len(item.dims) > 1}
    quantizers = simulation.qc_quantize_op_dict
    found = {name: quantizers[name] for name in weights if name in quantizers and quantizers[name].enabled}
    return sum(count * (found[name].bitwidth if name in found else 32) / 8 for name, count in weights.items())


def _run(session):
    return lambda batch: session.run(None, {"x": batch})[0]


def search(job: dict, visited: points.Visited) -> None:
    images = np.load(job["calibration"])
    calibration, judged = images[: -points.JUDGED], images[-points.JUDGED :]
    reference = np.load(job["judged_reference"])

    def score(session) -> float:
        visited.evaluations += 1
        # What is given for float, so that a drop of 85 asks for 15 dB.
        return min(points.snr(_run(session)(judged), reference), _FLOAT)

    if job["setting"]["method"] == "lite":
        _lite(job, visited, calibration, score)
    else:
        _amp(job, visited, calibration, score)


def _lite(job: dict, visited: points.Visited, calibration, score) -> None:
    from aimet_onnx import analyze_per_layer_sensitivity, int8, int16
    from aimet_onnx.lite_mp import flip_layers_to_higher_precision

    sensitivity = analyze_per_layer_sensitivity(_simulation(job, calibration, 4), score)
    for percent in range(10, 100, 10):
        made = _simulation(job, calibration, 4)
        flip_layers_to_higher_precision(made, sensitivity, percent, (int8, int16))
        made.compute_encodings([{"x": calibration[at : at + 1]} for at in range(len(calibration))])
        visited.add(_run(made.session), _weight_bytes(made))


def _amp(job: dict, visited: points.Visited, calibration, score) -> None:
    from aimet_common.amp.utils import AMPSearchAlgo
    from aimet_common.defs import CallbackFunc, QuantizationDataType
    from aimet_onnx.mixed_precision import choose_mixed_precision

    kind = QuantizationDataType.int
    made = _simulation(job, calibration, 8)

    def calibrate(session, _) -> None:
        for at in range(len(calibration)):
            session.run(None, {"x": calibration[at : at + 1]})

    def visit(session, _) -> float:
        found = score(session)
        visited.add(_run(session), _weight_bytes(made))
        return found

    choose_mixed_precision(
        made, [((8, kind), (8, kind)), ((8, kind), (4, kind))], CallbackFunc(lambda session, _: score(session)),
        CallbackFunc(visit), job["setting"]["drop"], job["out"], True, CallbackFunc(calibrate),
        amp_search_algo=AMPSearchAlgo[job["setting"]["search"]],
    )


if __name__ == "__main__":
    points.main(search)
