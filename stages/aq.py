"""aq: quantize the weights of a model by a recipe."""

from edgewright.engine import stage


def run(context: stage.Context) -> None:
    """Write the checkpoint with integer weights, and `layers.json`."""
    from edgewright import aq
    from edgewright.aq.keep import keep
    from edgewright.datasets import Sample
    from edgewright.models.load import load

    recipe = context.params.aq[context.item["recipe"]]
    if recipe.is_float:
        keep(context.inputs["model"], context.out)
        return
    model = load(context.inputs["model"], context.workspace.root, dtype="stored")
    sample = Sample.load(context.inputs["calibration"] / "sample.parquet")
    quantized = aq.quantize(model, sample, recipe, progress=context.progress(), resume=context.resume)
    aq.save(quantized, context.inputs["model"], context.out, recipe.checkpoint)


if __name__ == "__main__":
    stage.main("aq", run)
