"""gq: quantize a Program as the capability map of its target allows."""

from edgewright.engine import stage


def run(context: stage.Context) -> None:
    """Write `program.pt2`, `encodings.json` and `sensitivity.json`, and `assignment.json` of a search."""
    from edgewright import gq, ir, targets
    from edgewright.datasets import Sample, SampleFile
    from edgewright.evaluate.judge import judge
    from edgewright.files import read_json, write_json
    from edgewright.targets import cost_table

    program = ir.load(context.inputs["go"] / "program.pt2")
    sample = SampleFile.open(context.inputs["calibration"] / "sample.parquet")
    target, name = targets.load(context.item["target"]), context.item["scheme"]
    scheme = context.params.gq[name]
    if scheme.search is not None:
        judged = Sample.load(context.inputs["calibration"] / "search.parquet")
        lost = judge(judged, context.params.models[context.item["model"]].task)
        file = scheme.search.cost_file
        costs = None if file is None else cost_table.read(context.workspace.root / file, f"gq.{name}.search.cost")
        found = gq.find_precisions(
            program, target, scheme, sample, judged, judge=lost, measured=costs,
            resume=context.resume, progress=context.progress("search"), where=f"gq.{name}",
        )
        found.require_reached(f"gq.{name}.search")
        write_json(context.out / "assignment.json", found.record)
        scheme = found.scheme
    edited = None if scheme.encodings is None else gq.Overrides.load(context.workspace.root / scheme.encodings)
    quantized = gq.quantize(program, target, scheme, sample, encodings=edited, progress=context.progress())
    context.warn(quantized.warnings)
    if scheme.tuned is not None:
        write_json(context.out / "tuning.json", read_json(context.workspace.root / scheme.tuned))
    ir.save(quantized.program, context.out / "program.pt2")
    write_json(context.out / "encodings.json", quantized.encodings)
    write_json(context.out / "sensitivity.json", quantized.sensitivity)


if __name__ == "__main__":
    stage.main("gq", run)
