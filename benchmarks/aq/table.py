"""The tables of results, as markdown."""

from statistics import median

from benchmarks.aq import timing
from benchmarks.aq.runs import Bench
from benchmarks.aq.summary import Entry, Results, Slice, slices
from edgewright.files import read_json

_HEAD = """# Weight quantization against the reference packages

Made by `python -m benchmarks.aq --table docs/aq-benchmark.md`; do not edit it. Every line of a table has the same
model, calibration samples and evaluation function. `ours` is Edgewright; a mean over seeds has its least and greatest
value behind it. Seconds are those of quantization alone; `busy` behind them says that the machine was not idle, so
that only processor seconds can be compared. Peak is the resident memory of the whole process, `more` what of it came
on top of what the process held before quantization, weights included.
"""


def render(results: Results, bench: Bench) -> str:
    """All tables; scores are of the float model where nothing is said."""
    parts = [_HEAD]
    for part in slices(results):
        parts += [f"\n## {part.model}, {part.grid}\n", _float(part, bench), *_table(part)]
    return "\n".join(parts) + "\n"


def _float(part: Slice, bench: Bench) -> str:
    path = bench.float_path(part.model)
    if not path.is_file():
        return ""
    figures = ", ".join(f"{key} {value:.3f}" for key, value in read_json(path).items())
    return f"Float model: {figures}.\n"


def _table(part: Slice) -> list[str]:
    figures = ["perplexity"] if part.key == "perplexity" else ["logit_mse", "top1"]
    names = {"perplexity": "perplexity", "logit_mse": "logit MSE", "top1": "top-1"}
    lines = [
        f"| | {' | '.join(names[key] for key in figures)} | seconds | cpu s | peak MB | more MB |",
        f"|---|{'---|' * (len(figures) + 4)}",
    ]
    for entry in part.entries:
        if not entry.runs:
            lines.append(f"| {entry.method.label} | failed: {entry.error} |{' |' * (len(figures) + 3)}")
            continue
        label = f"**{entry.method.label}**" if entry.is_ours else entry.method.label
        cells = [*(_figure(entry, key) for key in figures), *_usage(entry)]
        lines.append(f"| {label} | {' | '.join(cells)} |")
    return lines


def _figure(entry: Entry, key: str) -> str:
    values = entry.values(key)
    spread = f" ({min(values):.3f} to {max(values):.3f})" if len(values) > 1 else ""
    return f"{entry.mean(key):.3f}{spread}"


def _usage(entry: Entry) -> list[str]:
    runs = list(entry.runs.values())
    busy = "" if all(timing.is_valid(run) for run in runs) else " busy"
    peak, loaded = median(entry.values("peak_bytes")), median(entry.values("loaded_bytes"))
    return [
        f"{median(entry.values('seconds')):.1f}{busy}", f"{median(entry.values('cpu_seconds')):.1f}",
        f"{peak / 1e6:.0f}", f"{(peak - loaded) / 1e6:.0f}",
    ]
