"""report: gather the figures of all variants into what people and programs read."""

from edgewright.engine import stage


def run(context: stage.Context) -> None:
    """Write `report.json`, `report.html`, `summary.json` and the plots."""
    from edgewright.engine.report_files import assemble
    from edgewright.report import write

    write(assemble(context.workspace), context.out)


if __name__ == "__main__":
    stage.main("report", run)
