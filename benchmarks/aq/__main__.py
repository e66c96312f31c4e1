"""The command: `python -m benchmarks.aq --grid default`."""

import argparse
import sys
from pathlib import Path

from benchmarks.aq import timing
from benchmarks.aq.cells import OURS, Cell, cells
from benchmarks.aq.runs import Bench


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.aq", description=__doc__)
    parser.add_argument("--grid", choices=("smoke", "default", "full"), default="default")
    parser.add_argument("--only", action="append", default=[], metavar="TEXT",
                        help="cells whose line holds the text (`auto-round`, `w3g32 asym`); all texts must be in it")
    parser.add_argument("--side", choices=("ours", "theirs", "both"), default="both")
    parser.add_argument("--again", choices=("none", "errors", "loaded", "all"), default="none",
                        help="kept results to measure anew: failures, those timed on a busy machine, or all")
    parser.add_argument("--every", type=int, default=4, help="score every n-th window or image held out")
    parser.add_argument("--home", type=Path, default=Path(".edgewright/bench"))
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--limit", type=int, default=7200, help="seconds that a cell may take")
    parser.add_argument("--table", type=Path, help="write the tables as markdown into this file")
    parser.add_argument("--list", action="store_true", help="only list the cells and what is known of them")
    parser.add_argument("--no-run", action="store_true", help="tables and claims of the kept results alone")
    return parser.parse_args()


def _chosen(options: argparse.Namespace) -> list[Cell]:
    def wanted(cell: Cell) -> bool:
        is_side = options.side == "both" or (cell.method.package == OURS) == (options.side == "ours")
        return is_side and all(text in cell.label for text in options.only)

    return [cell for cell in cells(options.grid) if wanted(cell)]


def _is_stale(result: dict[str, object] | None, options: argparse.Namespace) -> bool:
    if result is None or options.again == "all":
        return True
    if options.again == "errors":
        return "error" in result
    is_untimed = result.get("threads") != options.threads or not timing.is_valid(result)
    return options.again == "loaded" and "error" not in result and is_untimed


def main() -> int:
    """Run what is not known yet, print the tables, and exit with 1 where a claim does not hold."""
    options = _arguments()
    bench = Bench(options.home, options.every, options.threads, options.limit)
    chosen = _chosen(options)
    results = {}
    for index, cell in enumerate(chosen):
        result = bench.known(cell)
        if options.list:
            print(f"{'-' if result is None else 'error' if 'error' in result else 'known':6} {cell.label}")
            continue
        if not options.no_run and _is_stale(result, options):
            result = bench.run(cell)
            print(f"[{index + 1}/{len(chosen)}] {cell.label}: {_line(result)}", flush=True)
        if result is not None:
            results[cell] = result
    if options.list:
        return 0
    from benchmarks.aq import claims, table

    for model in dict.fromkeys(cell.model for cell in results):
        bench.float_score(model)
    text = table.render(results, bench)
    print(text)
    if options.table is not None:
        options.table.write_text(text)
    return claims.report(results)


def _line(result: dict[str, object]) -> str:
    if "error" in result:
        return f"FAILED {result['error']}"
    scores = [key for key in ("perplexity", "top1", "logit_mse") if key in result]
    figures = " ".join(f"{key} {float(str(result[key])):.4f}" for key in scores)
    return f"{figures}  {float(str(result['seconds'])):.1f} s, {float(str(result['cpu_seconds'])):.1f} cpu s"


if __name__ == "__main__":
    sys.exit(main())
