"""What the results must show, and where we lose.

Must hold, and else the exit code is 1, for every model and grid that both sides have results of:

- at 3 and 2 bits the best of our methods is better than the best of theirs;
- each algorithm or composition that a package has too is not worse than the best package's, within the noise:
  the greater of both spreads over the seeds, at least 1 % where there are fewer than three seeds of either;
- it takes at most half the time of the fastest package that is not clearly worse (more than the noise);
- it takes less memory at its peak than any package.

Time and memory count where a family has an optimization or statistics to compute: rounding to nearest is
compared in its result alone.
"""

from collections.abc import Iterator
from dataclasses import dataclass

from benchmarks.aq import timing
from benchmarks.aq.summary import Entry, Results, Slice, slices

_NOISE = 0.01
_EASY = {"rtn"}


@dataclass(frozen=True)
class Claim:
    """A sentence with its figures, and whether it holds."""

    text: str
    holds: bool


def report(results: Results) -> int:
    """Print every claim that is lost, and how many hold; 1 where one is lost."""
    claims = [claim for part in slices(results) for claim in judge(part)]
    lost = [claim for claim in claims if not claim.holds]
    for claim in lost:
        print(f"LOST {claim.text}")
    print(f"{len(claims) - len(lost)} of {len(claims)} claims hold")
    return 1 if lost else 0


def judge(part: Slice) -> list[Claim]:
    """The claims on one model and grid."""
    ours = [entry for entry in part.done if entry.is_ours]
    theirs = [entry for entry in part.done if not entry.is_ours]
    if not ours or not theirs:
        return []
    where, found = f"{part.model} {part.grid}", []
    if part.bits < 4:
        best, other = ours[0], theirs[0]
        found.append(Claim(
            f"{where}: best of ours {_of(best, part.key)}, best of theirs {_of(other, part.key)}",
            best.mean(part.key) < other.mean(part.key),
        ))
    for family in dict.fromkeys(entry.method.family for entry in ours):
        mine = [entry for entry in ours if entry.method.family == family]
        references = [entry for entry in theirs if entry.method.family == family]
        if references:
            found += _family(f"{where}: {family}", mine, references, part.key)
    return found


def _family(where: str, ours: list[Entry], theirs: list[Entry], key: str) -> Iterator[Claim]:
    mine, other = ours[0], theirs[0]
    noise = _noise(mine, other, key)
    text = f"{where}: {_of(mine, key)}, {_of(other, key)}, noise {noise:.3f}"
    yield Claim(text, mine.mean(key) <= other.mean(key) + noise)
    if mine.method.family in _EASY:
        return
    rivals = [entry for entry in theirs if entry.mean(key) <= other.mean(key) + noise]
    ratio, unit, rival = max((*_time(mine, entry), entry.method.label) for entry in rivals)
    yield Claim(f"{where}: {mine.method.label} takes {ratio:.2f} of the {unit} of {rival}", ratio <= 0.5)
    peak, least = max(mine.values("peak_bytes")), min(rivals, key=lambda entry: min(entry.values("peak_bytes")))
    lower = min(least.values("peak_bytes"))
    yield Claim(
        f"{where}: {mine.method.label} peaks at {peak / 1e6:.0f} MB, {least.method.label} at {lower / 1e6:.0f} MB",
        peak < lower,
    )


def _noise(mine: Entry, other: Entry, key: str) -> float:
    spread = max(mine.spread(key), other.spread(key))
    return spread if min(len(mine.runs), len(other.runs)) >= 3 else max(spread, _NOISE * other.mean(key))


def _time(mine: Entry, other: Entry) -> tuple[float, str]:
    seed = next((seed for seed in mine.runs if seed in other.runs), None)
    if seed is None:
        return timing.compared(next(iter(mine.runs.values())), next(iter(other.runs.values())))
    return timing.compared(mine.runs[seed], other.runs[seed])


def _of(entry: Entry, key: str) -> str:
    return f"{entry.method.label} {entry.mean(key):.4f}"
