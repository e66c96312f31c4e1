"""How true a cost table is, and what a search gains from it: `python -m benchmarks.gq.costs`.

For each classifier and target the table's sum at each precision stands beside the whole build (Vela's cycles, or the
median latency of 200 runs). Then AMP searches w8a8 and w8a16 on the Ethos-U85 for the least error at a share of the
most, once by the table's cycles and once by bytes, and both results are compiled: the cycles that each really takes.
"""

import argparse
import tempfile
from pathlib import Path

import torch

from benchmarks.gq import models, ours
from benchmarks.gq.evaluation import evaluate
from edgewright import gq, targets
from edgewright.config import GqScheme
from edgewright.datasets import Sample
from edgewright.gq.search.operator_costs import measure
from edgewright.profile import latency
from edgewright.targets import Target
from edgewright.targets.cost_table import CostTable

_PRECISIONS = {"xnnpack": ("w8a8", "float"), "onnxruntime": ("w8a8", "w8a16", "float"),
               "ethos-u85-256": ("w8a8", "w8a16")}  # fmt: skip
_SHARE, _JUDGED = 0.7, 128


def main() -> None:
    """Print both tables."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--model", nargs="+", choices=models.CLASSIFIERS, default=list(models.CLASSIFIERS))
    options = parser.parse_args()
    tables = {}
    print("| model | target | precision | sum of the table | whole build | ratio |\n" + "|---" * 6 + "|")
    for model in options.model:
        for name, precisions in _PRECISIONS.items():
            target = targets.load(name)
            table = _table(model, target, precisions)
            tables[model, name] = table
            for precision in precisions:
                total = sum(table.precisions[precision].values())
                whole = _whole(model, target, _scheme(precision))
                figures = f"{total:.4g} {table.unit} | {whole:.4g} | {total / whole:.2f}"
                print(f"| {model} | {name} | {precision} | {figures} |", flush=True)
    print("\n| model | AMP by | share of it | evaluations | cycles, compiled | MSE |\n" + "|---" * 6 + "|")
    for model in options.model:
        for cost in ("costs/table.json", "bytes"):
            print(_searched(model, cost, tables[model, "ethos-u85-256"]), flush=True)


def _scheme(precision: str, **more: object) -> GqScheme:
    if precision == "float":
        return GqScheme()
    bits, activations = precision[1:].split("a")
    return GqScheme.model_validate({
        "weights": {"bits": int(bits)},
        "activations": {"bits": int(activations), "symmetric": activations == "16"}, **more,
    })


def _table(model: str, target: Target, precisions: tuple[str, ...]) -> CostTable:
    inputs = models.data(model, "calib").inputs
    return measure(ours.float_program(model, target.name), target, _scheme("w8a8"), precisions,
                   Sample(inputs={"x": inputs[:64]}), (inputs[:1],), host=None)


def _whole(model: str, target: Target, scheme: GqScheme) -> float:
    inputs = models.data(model, "calib").inputs
    made = gq.quantize(ours.float_program(model, target.name), target, scheme, Sample(inputs={"x": inputs[:64]}))
    return _cost(made.program, target, inputs[:1])


def _cost(program: torch.export.ExportedProgram, target: Target, example: models.Inputs) -> float:
    adapter = targets.adapter(target)
    with tempfile.TemporaryDirectory() as folder:
        adapter.compile(program, target, Path(folder), batch_inputs=(example,))
        if target.estimate:
            return float(adapter.estimate(Path(folder))["cycles"])
        run = adapter.session(Path(folder), target, 1)
        return latency.compare(lambda: run((example,)), None, runs=200, warmup=20)[0].median


def _searched(model: str, cost: str, table: CostTable) -> str:
    target, images = targets.load("ethos-u85-256"), models.data(model, "calib").inputs
    sample, judged = Sample(inputs={"x": images[:-_JUDGED]}), Sample(inputs={"x": images[-_JUDGED:]})
    search = {"candidates": ["w8a8", "w8a16"], "accept": {"cost": _SHARE}, "cost": cost}
    program = ours.float_program(model, target.name)
    found = gq.find_precisions(program, target, _scheme("w8a8", search=search), sample, judged,
                               measured=table if cost.endswith(".json") else None)
    made = gq.quantize(program, target, found.scheme, sample)
    test = models.data(model, "test")
    reference = ours.output(model, models.exported(model), test.inputs)
    figures = evaluate(ours.output(model, made.program, test.inputs), reference, test.labels)
    name = "cycles" if cost.endswith(".json") else cost
    return (f"| {model} | {name} | {found.record['chosen']['share']:.2f} | {found.record['evaluations']} |"
            f" {_cost(made.program, target, images[:1]):.0f} | {figures.mse:.3f} |")


if __name__ == "__main__":
    main()
