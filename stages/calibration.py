"""calibration: draw and validate the sample that quantization looks at, apart from the holdout sample."""

from edgewright.engine import stage


def run(context: stage.Context) -> None:
    """Write `sample.parquet` and `validation.json`."""
    from edgewright.datasets import Sample, draw, validate
    from edgewright.models.spec import ModelSpec

    spec = ModelSpec.read(context.inputs["model"])
    holdout = Sample.load(context.inputs["holdout"] / "sample.parquet")
    sample = draw(
        context.params.data[context.item["data"]],
        context.inputs["model"],
        spec,
        exclude=holdout,
        workspace=context.workspace.root,
    )
    validate(sample, spec, context.out / "validation.json", holdout=holdout)
    sample.save(context.out / "sample.parquet")


if __name__ == "__main__":
    stage.main("calibration", run)
