"""Search of a precision for each operator: LiteMP and AMP, on a simulation of the quantized program."""

COSTS = "edgewright.gq.search.costs"
"""Package of the costs, by name."""
