"""The answer to a sweep: which accepted variant is best, smallest, fastest."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from edgewright.report.types import Variant


@dataclass(frozen=True, slots=True)
class Answer:
    """`question` ("smallest"), the index of the variant that answers it, and its figure."""

    question: str
    index: int
    value: float


def answers(variants: Sequence[Variant]) -> tuple[Answer, ...]:
    """Of the variants of one model whose status is ok: the best metric, the smallest, the fastest measured.

    Estimated latencies do not compete with measured ones. Nothing where fewer than two variants are ok;
    of equal figures the first wins.
    """
    accepted = [index for index, variant in enumerate(variants) if variant.status == "ok"]
    if len(accepted) < 2:
        return ()
    sign = -1.0 if variants[0].details.better == "higher" else 1.0
    figures: tuple[tuple[str, Callable[[Variant], float | None], float], ...] = (
        ("best", lambda variant: variant.metric.compiled, sign),
        ("smallest", lambda variant: variant.size_bytes.compiled, 1.0),
        ("fastest", _measured, 1.0),
    )
    found = []
    for question, figure, direction in figures:
        known = [(value, index) for index in accepted if (value := figure(variants[index])) is not None]
        if known:
            value, index = min(known, key=lambda item: (direction * item[0], item[1]))
            found.append(Answer(question, index, value))
    return tuple(found)


def _measured(variant: Variant) -> float | None:
    return None if variant.latency_ms.estimate else variant.latency_ms.compiled
