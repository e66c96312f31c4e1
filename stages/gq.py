"""gq: quantize a Program as the capability map of its target allows."""

import sys

from edgewright.engine import stage


def run(context: stage.Context) -> None:
    """Write `program.pt2`, `encodings.json` and `sensitivity.json`."""
    from edgewright import gq, ir, targets
    from edgewright.datasets import SampleFile
    from edgewright.files import write_json

    program = ir.load(context.inputs["go"] / "program.pt2")
    sample = SampleFile.open(context.inputs["calibration"] / "sample.parquet")
    target = targets.load(context.item["target"])
    scheme = context.params.gq[context.item["scheme"]]
    quantized = gq.quantize(program, target, scheme, sample, progress=context.progress())
    for line in quantized.warnings:
        print(f"{context.name}: warning: {line}", file=sys.stderr, flush=True)
    ir.save(quantized.program, context.out / "program.pt2")
    write_json(context.out / "encodings.json", quantized.encodings)
    write_json(context.out / "sensitivity.json", quantized.sensitivity)


if __name__ == "__main__":
    stage.main("gq", run)
