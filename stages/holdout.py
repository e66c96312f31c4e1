"""holdout: draw and validate the sample that is evaluated on; calibration reads it to leave its rows out."""

from edgewright.engine import stage


def run(context: stage.Context) -> None:
    """Write `sample.parquet` and `validation.json`."""
    from edgewright.datasets import draw
    from edgewright.models.spec import ModelSpec

    model = context.inputs["model"]
    data = context.params.data[context.item["data"]]
    draw(data, model, ModelSpec.read(model), workspace=context.workspace.root, labelled=True).write(context.out)


if __name__ == "__main__":
    stage.main("holdout", run)
