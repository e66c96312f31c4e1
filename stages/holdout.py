"""holdout: draw and validate the sample that only evaluation reads."""

from edgewright.engine import stage


def run(context: stage.Context) -> None:
    """Write `sample.parquet` and `validation.json`."""
    from edgewright.datasets import draw, validate
    from edgewright.models.spec import ModelSpec

    spec = ModelSpec.read(context.inputs["model"])
    sample = draw(
        context.params.data[context.item["data"]], context.inputs["model"], spec, workspace=context.workspace.root
    )
    validate(sample, spec, context.out / "validation.json")
    sample.save(context.out / "sample.parquet")


if __name__ == "__main__":
    stage.main("holdout", run)
