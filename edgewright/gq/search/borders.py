"""Where a tensor passes from one unit to another: a border costs a conversion where the two differ in precision."""

from collections.abc import Sequence
from dataclasses import dataclass
from math import prod

from edgewright.gq.search.candidates import Assignment, Candidates
from edgewright.gq.search.shapes import shape_of


@dataclass(frozen=True, slots=True)
class Border:
    """A tensor between two units, by their numbers, and its elements for one sample."""

    producer: int
    consumer: int
    elements: int


def borders(candidates: Candidates) -> tuple[Border, ...]:
    """The tensors that one unit makes and another one reads, in the order of the program."""
    unit_of = {node: number for number, unit in enumerate(candidates.units) for node in unit.operators}
    plans = [precision.plans for precision in candidates.precisions]
    made = {plan.tail: unit_of[node] for found in plans for node, plan in found.items() if node in unit_of}
    reads = dict.fromkeys(
        (made[source], unit_of[node], source)
        for found in plans for node, plan in found.items() if node in unit_of
        for _, source in plan.edges if source in made
    )
    return tuple(
        Border(producer, consumer, prod(shape_of(source)[1:])) for producer, consumer, source in reads
        if producer != consumer
    )


def elements(found: Sequence[Border], assignment: Assignment, pair: frozenset[int]) -> int:
    """Elements that are converted between two candidates."""
    return sum(
        item.elements for item in found if frozenset((assignment[item.producer], assignment[item.consumer])) == pair
    )
