"""Which operators of a program run on integers, in which kernel, and where quantize-dequantize pairs stand."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace

from torch.fx import GraphModule, Node

from edgewright import ir
from edgewright.gq import integers
from edgewright.gq.names import name_tensors
from edgewright.gq.operators import (
    activations_of,
    channel_axis,
    is_float,
    is_linear,
    is_operator,
    is_zero_padding_of_plane,
    takes_weight,
    weight_of,
)
from edgewright.gq.scheme import ModuleScheme, Resolved
from edgewright.ir.nodes import is_quantization
from edgewright.targets import Kernel, Operator, Target, find_kernel

_PADDINGS = ("pad", "constant_pad_nd")


@dataclass(frozen=True, slots=True)
class Quantized:
    """An operator that runs on integers.

    Attributes:
        node: the operator.
        tail: where its result is quantized: itself, or the activation that is fused into it.
        inside: the operators that run inside it, before and after, itself left out.
        edges: consumer and source of each activation that it reads: no pair stands between it and what it absorbs.
        kernel: the line of the capability map.
        scheme: what the configuration asks for here.
        shares: the result has the parameters of the inputs.
    """

    node: Node
    tail: Node
    inside: tuple[Node, ...]
    edges: tuple[tuple[Node, Node], ...]
    kernel: Kernel
    scheme: ModuleScheme
    shares: bool

    @property
    def is_static(self) -> bool:
        """Whether the parameters of its activations are constants of the program."""
        return self.kernel.activations is not None and self.kernel.activations.mode == "static"

    @property
    def is_dynamic(self) -> bool:
        """Whether the parameters of its activations are chosen at run time."""
        return self.kernel.activations is not None and self.kernel.activations.mode == "dynamic"


@dataclass(frozen=True, slots=True)
class LeftFloat:
    """An operator that stays float, and why."""

    node: Node
    reason: str


@dataclass(frozen=True, slots=True)
class Annotation:
    """What each operator of a program becomes, in graph order."""

    quantized: tuple[Quantized, ...]
    left_float: tuple[LeftFloat, ...]


Names = Mapping[Node, tuple[str, ...]]
"""What `layers` can call each operator."""


def names_of(module: GraphModule) -> Names:
    """What `layers` can call each operator of the program.

    Its module, the module that owns its weight (they differ where operators were merged), and itself:
    `stage1.relu1:relu`, as in encodings.json.
    """
    found = {}
    for node, name in name_tensors(module).items():
        if is_operator(node):
            owner = integers.owner_of(node) if takes_weight(ir.operator_name(node.target)) else None
            found[node] = (ir.scope(node), *([] if owner is None else [owner]), name)
    return found


def annotate(module: GraphModule, target: Target, scheme: Resolved) -> Annotation:
    """Choose a kernel of `target` for every operator that `scheme` quantizes.

    Args:
        module: an unlifted Program.
        target: the capability map.
        scheme: the scheme, resolved against the program's modules.

    Raises:
        ConfigError: the integer weights that a module brings are not those that the scheme asks for.
    """
    chosen: dict[Node, Quantized] = {}
    left: list[LeftFloat] = []
    asked = {node: scheme.at(*names) for node, names in names_of(module).items()}
    for node, wanted in asked.items():
        if is_quantization(node):
            continue
        found = _choose(module, node, target, wanted)
        if isinstance(found, Quantized):
            chosen[node] = found
        elif found is not None:
            left.append(found)
    for node in list(chosen):
        if node in chosen:
            chosen[node] = _with_neighbours(chosen[node], target, asked, chosen)
    inside = {node for plan in chosen.values() for node in plan.inside}
    left = [item for item in left if item.node not in inside]
    for node in _idle_movements(chosen):
        left.append(LeftFloat(node, "it only moves data, and no integer operator stands beside it"))
        del chosen[node]
    order = {node: index for index, node in enumerate(module.graph.nodes)}
    return Annotation(tuple(chosen.values()), tuple(sorted(left, key=lambda item: order[item.node])))


def _choose(module: GraphModule, node: Node, target: Target, wanted: ModuleScheme) -> Quantized | LeftFloat | None:
    op = ir.operator_name(node.target)
    weighted = takes_weight(op)
    is_dynamic = wanted.activations is None or wanted.activations.mode == "dynamic"
    if not is_float(node) or (is_dynamic and not weighted and not wanted.is_exempt):
        return None
    if wanted.is_exempt:
        return LeftFloat(node, "float by layers")
    operator = target.operator(op)
    if operator is None or not operator.quantized:
        return LeftFloat(node, f"{target.name} has no quantized kernel for it")
    kernel = find_kernel(operator, wanted.weights if weighted else None, wanted.activations)
    if kernel is None:
        return LeftFloat(node, f"{target.name} has no kernel for it with {wanted}")
    if weighted and (reason := _weight_refusal(module, node, wanted)) is not None:
        return LeftFloat(node, reason)
    sources = activations_of(module, node)
    if not sources:
        return LeftFloat(node, "it reads no activation")
    edges = tuple((node, source) for source in sources) if kernel.activations is not None else ()
    return Quantized(node, node, (), edges, kernel, wanted, operator.output == "shared")


def _weight_refusal(module: GraphModule, node: Node, wanted: ModuleScheme) -> str | None:
    weight, scheme = weight_of(node), wanted.weights
    if weight is None or scheme is None:
        return "it has no weight"
    if integers.origin(weight) is not None:
        integers.check(module, node, scheme)
        return None
    if weight.op != "get_attr":
        return "its weight is no constant of the program"
    if scheme.granularity == "channel" and channel_axis(node) is None:
        return "its weight has no axis of output channels"
    if scheme.group is not None:
        columns = int(weight.meta["val"].shape[-1])
        if not is_linear(ir.operator_name(node.target)):
            return "only the weight of a linear operator can lie in groups"
        if columns % scheme.group:
            return f"its {columns} columns are not a multiple of the group of {scheme.group}"
    return None


def _with_neighbours(
    plan: Quantized, target: Target, asked: Mapping[Node, ModuleScheme], chosen: dict[Node, Quantized]
) -> Quantized:
    """`plan` with what runs inside its kernel, unless exempt; the absorbed and fused are taken out of `chosen`."""
    operator = target.operator(ir.operator_name(plan.node.target))
    if operator is None or not plan.is_static:
        return plan
    before = _absorbed(plan, operator)
    if before is not None and not asked[before].is_exempt:
        edges = ((before, before.all_input_nodes[0]), *plan.edges[1:])
        plan = replace(plan, edges=edges, inside=(before,))
        chosen.pop(before, None)
    after = _fused(plan.node, operator)
    if after is not None and not asked[after].is_exempt:
        plan = replace(plan, tail=after, inside=(*plan.inside, after))
        chosen.pop(after, None)
    return plan


def _absorbed(plan: Quantized, operator: Operator) -> Node | None:
    source = plan.edges[0][1]
    if source.op != "call_function" or ir.operator_name(source.target) not in operator.absorbs:
        return None
    if len(source.users) > 1 or len(source.all_input_nodes) != 1:
        return None
    op = ir.operator_name(source.target)
    return source if op not in _PADDINGS or is_zero_padding_of_plane(source) else None


def _fused(node: Node, operator: Operator) -> Node | None:
    if len(node.users) != 1:
        return None
    user = next(iter(node.users))
    if not is_operator(user) or ir.operator_name(user.target) not in operator.fuses:
        return None
    return user if user.all_input_nodes == [node] and is_float(user) else None


def _idle_movements(chosen: dict[Node, Quantized]) -> list[Node]:
    """Operators that share parameters with their inputs, reach no integer arithmetic, and so need no pair."""
    busy: set[Node] = set()
    for plan in chosen.values():
        if not plan.shares:
            busy.update((plan.tail, *(source for _, source in plan.edges)))
    movements = [plan for plan in chosen.values() if plan.shares]
    grown = True
    while grown:
        grown = False
        for plan in movements:
            tensors = {plan.tail, *(source for _, source in plan.edges)}
            if tensors & busy and not tensors <= busy:
                busy |= tensors
                grown = True
    return [plan.node for plan in movements if plan.tail not in busy]


def edges(annotation: Annotation) -> Iterator[tuple[Node, Node]]:
    """Consumer and source of every statically quantized activation, in graph order."""
    for plan in annotation.quantized:
        if plan.is_static:
            yield from plan.edges
