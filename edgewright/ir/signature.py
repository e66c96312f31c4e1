"""What a caller gives to a Program."""

from typing import cast

import torch
from torch.export import ExportedProgram
from torch.export.graph_signature import InputKind


def user_inputs(program: ExportedProgram) -> dict[str, torch.Tensor]:
    """Fake value of each placeholder that a caller fills, by its name and in order."""
    names = {spec.arg.name for spec in program.graph_signature.input_specs if spec.kind is InputKind.USER_INPUT}
    return {node.name: cast(torch.Tensor, node.meta["val"]) for node in program.graph.nodes
            if node.op == "placeholder" and node.name in names}
