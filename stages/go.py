"""go: rewrite a Program for its target, each firing with its witness."""

from edgewright.engine import stage

WITNESS_SAMPLES = 2


def run(context: stage.Context) -> None:
    """Write `program.pt2`, `program.json` and `firings.json`."""
    import torch

    from edgewright import ir, targets
    from edgewright.datasets import Sample
    from edgewright.files import write_json
    from edgewright.go.optimize import optimize

    program = ir.load(context.inputs["ir"] / "program.pt2")
    sample = Sample.load(context.inputs["calibration"] / "sample.parquet")
    samples = tuple(torch.from_numpy(value) for value in next(sample.batches(WITNESS_SAMPLES)))
    target = targets.load(context.item["target"])
    optimized = optimize(program, target, samples, progress=context.progress())
    ir.save(optimized.program, context.out / "program.pt2")
    write_json(context.out / "program.json", ir.describe(optimized.program))
    write_json(context.out / "firings.json", optimized.report())


if __name__ == "__main__":
    stage.main("go", run)
