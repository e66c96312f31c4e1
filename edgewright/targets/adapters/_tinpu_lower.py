"""From a QDQ graph to one in integers: layers where the NPU runs an operator, float on the CPU for the rest."""

from collections.abc import Mapping
from dataclasses import dataclass

from torch.fx import GraphModule, Node

from edgewright import ir
from edgewright.targets.adapters import _program
from edgewright.targets.adapters._tinpu_build import Builder, build, restored, rounded
from edgewright.targets.adapters._tinpu_layers import NoLayer
from edgewright.targets.adapters._tinpu_match import border_of, match, operator_of, refusal
from edgewright.targets.manifest import NotDelegated
from edgewright.targets.schema import Target

_QUANTIZE, _DEQUANTIZE = "quantize_per_tensor", "dequantize_per_tensor"
_AT_BORDER = "it stands between float on the CPU and integers"


@dataclass(slots=True)
class Lowered:
    """What became of a graph.

    Attributes:
        layers: how many operators the NPU runs.
        segments: runs of layers without a float tensor between.
        left: the operators of the CPU, in graph order.
    """

    layers: int = 0
    segments: int = 0
    left: tuple[NotDelegated, ...] = ()


def lower(module: GraphModule, target: Target) -> Lowered:
    """Replace the quantization operators of an unlifted QDQ Program, in place, as `target` allows.

    Raises:
        InputError: a bias or a sum has more bits than the NPU.
    """
    found = Lowered()
    order = {node: index for index, node in enumerate(module.graph.nodes)}
    levels: dict[Node, Node] = {}
    segment: dict[Node, int] = {}
    reasons: dict[Node, str] = {}
    left: set[Node] = set()
    for node in order:
        if _program.name_of(node) != _QUANTIZE:
            continue
        source = node.all_input_nodes[0]
        try:
            layer = match(node, levels, target)
            levels[node] = build(Builder(module, node, layer.node), layer, levels[layer.source])
        except NoLayer as reason:
            reasons[operator_of(source)] = str(reason)
            left.add(node)
            levels[node] = rounded(Builder(module, node, node), source, border_of(node))
        else:
            found.layers += 1
            if layer.source not in segment:
                found.segments += 1
            segment[node] = segment.get(layer.source, found.segments)
    reals = _reals(module, levels)
    module.graph.eliminate_dead_code()
    alive = set(module.graph.nodes)
    left |= {node for real, node in reals.items() if real in alive}
    reasons |= dict.fromkeys(left, _AT_BORDER)
    left |= {node for node in alive & order.keys() if _computes(node)}
    found.left = tuple(
        NotDelegated(_program.name_of(node), ir.scope(node), reasons.get(node) or _reason(node, target))
        for node in sorted(left, key=order.__getitem__)
    )
    return found


def _reals(module: GraphModule, levels: Mapping[Node, Node]) -> dict[Node, Node]:
    """Give what reads real numbers those that levels stand for; the new nodes, and what they stand in for."""
    reals = {}
    for node in list(module.graph.nodes):
        source = node.args[0] if node.args else None
        if _program.name_of(node) == _DEQUANTIZE and isinstance(source, Node) and source in levels:
            real = restored(Builder(module, node, node), levels[source], border_of(node))
            node.replace_all_uses_with(real)
            reals[real] = node
    return reals


def _computes(node: Node) -> bool:
    """Whether a node is an operator that runs, and no constant that is dequantized once."""
    is_constant = bool(node.all_input_nodes) and all(source.op == "get_attr" for source in node.all_input_nodes)
    return bool(_program.name_of(node)) and not is_constant


def _reason(node: Node, target: Target) -> str:
    return refusal(node, target) or "it does not stand between two quantized tensors"
