"""aq: quantize the weights of a model by a recipe."""

from edgewright.engine import stage


def run(context: stage.Context) -> None:
    """Write the checkpoint with integer weights, and `layers.json`."""
    from edgewright import aq
    from edgewright.datasets import Sample
    from edgewright.models.load import load

    model = load(context.inputs["model"], context.workspace.root)
    sample = Sample.load(context.inputs["calibration"] / "sample.parquet")
    recipe = context.params.aq[context.item["recipe"]]
    quantized = aq.quantize(model, sample, recipe, progress=context.progress())
    aq.save(quantized, context.inputs["model"], context.out)


if __name__ == "__main__":
    stage.main("aq", run)
