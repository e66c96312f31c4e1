"""gq: quantize a Program as the capability map of its target allows."""

from edgewright.engine import stage


def run(context: stage.Context) -> None:
    """Write `program.pt2`, `encodings.json` and `sensitivity.json`."""
    from edgewright import gq, ir, targets
    from edgewright.datasets import Sample
    from edgewright.files import write_json

    program = ir.load(context.inputs["go"] / "program.pt2")
    sample = Sample.load(context.inputs["calibration"] / "sample.parquet")
    target = targets.load(context.item["target"])
    scheme = context.params.gq[context.item["scheme"]]
    quantized = gq.quantize(program, target, scheme, sample, progress=context.progress())
    ir.save(quantized.program, context.out / "program.pt2")
    write_json(context.out / "encodings.json", quantized.encodings)
    write_json(context.out / "sensitivity.json", quantized.sensitivity)


if __name__ == "__main__":
    stage.main("gq", run)
