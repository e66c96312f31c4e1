"""model: bring a configured model into a folder of its own, checked to load and to export."""

from edgewright.engine import stage


def run(context: stage.Context) -> None:
    """Write the model folder and its `model.json`."""
    from edgewright.models.load import fetch

    fetch(context.params.models[context.key], context.out, context.workspace.root)


if __name__ == "__main__":
    stage.main("model", run)
