"""ir: export a checkpoint to a Program."""

from edgewright.engine import stage


def run(context: stage.Context) -> None:
    """Write `program.pt2` and `program.json`."""
    from edgewright import ir
    from edgewright.files import write_json
    from edgewright.models.load import export, load

    model = load(context.inputs["aq"], context.workspace.root)
    program = export(model, context.params.models[context.item["model"]].export.batch)
    ir.save(program, context.out / "program.pt2")
    write_json(context.out / "program.json", ir.describe(program))


if __name__ == "__main__":
    stage.main("ir", run)
