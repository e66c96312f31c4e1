"""Edgewright's AMP or LiteMP: the front of one search, each point of it quantized as `gq` does."""


from benchmarks.gq.workers import points


def search(job: dict, visited: points.Visited) -> None:
    import time

    import numpy as np

    from benchmarks.gq import models, ours
    from edgewright import gq, targets
    from edgewright.config import GqScheme
    from edgewright.datasets import Sample

    model, setting = job["model"], job["setting"]
    target = ours.with_four_bits(targets.load(setting["target"]))
    images = np.load(job["calibration"])
    sample = Sample(inputs={"x": images[: -points.JUDGED]})
    program = ours.float_program(model, setting["target"])
    scheme = GqScheme.model_validate({
        "weights": {"bits": 8}, "activations": {"bits": 8, "mode": "static"}, "search": setting["search"],
    })
    found = gq.find_precisions(program, target, scheme, sample, Sample(inputs={"x": images[-points.JUDGED :]}))
    visited.evaluations = found.record["evaluations"]
    sizes = {name.removesuffix(".weight"): value.numel() for name, value in models.exported(model).state_dict.items()
             if value.dim() > 1}
    for point in found.record["front"]:
        mixed = found.scheme.model_copy(update={"layers": GqScheme.model_validate({
            **scheme.model_dump(exclude={"search"}), "layers": point["layers"],
        }).layers})
        start = time.perf_counter()
        result = gq.quantize(program, target, mixed, sample)
        visited.spent += time.perf_counter() - start
        bits = {item["module"]: item["bits"] for item in result.encodings["weights"]}
        weight_bytes = sum(count * bits.get(name, 32) / 8 for name, count in sizes.items())
        visited.add(ours.runner(result.program), weight_bytes)


if __name__ == "__main__":
    points.main(search)
