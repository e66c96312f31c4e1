"""calibration: draw and validate the sample that quantization looks at, apart from the holdout sample."""

from edgewright.engine import stage


def run(context: stage.Context) -> None:
    """Write `sample.parquet` and `validation.json`."""
    from edgewright.datasets import Sample, draw
    from edgewright.models.spec import ModelSpec

    model = context.inputs["model"]
    data = context.params.data[context.item["data"]]
    holdout = Sample.load(context.inputs["holdout"] / "sample.parquet")
    draw(data, model, ModelSpec.read(model), exclude=holdout, workspace=context.workspace.root).write(context.out)


if __name__ == "__main__":
    stage.main("calibration", run)
