"""Why DVC calls a stage changed, in the user's words."""

from collections.abc import Iterator, Mapping
from typing import Any

_PARTS = {"params.yaml": "", "code.json": "code of ", "plan.json": ""}


def explain(stage: Any) -> list[str]:
    """Why DVC calls a stage changed; empty when it is not, or only what it reads has to be made first."""
    if not any(out.hash_info for out in stage.outs):
        return ["new"]
    reasons = ["command"] if stage.changed_stage() else []
    for dep in stage.deps:
        reasons += _changed(dep.status())
    if not reasons:
        reasons += [f"{path} is {how}" for out in stage.outs for path, how in out.status().items()]
    return reasons


def _changed(status: Mapping[str, Any]) -> Iterator[str]:
    for path, how in status.items():
        if isinstance(how, Mapping):
            yield from (f"{_PARTS.get(path, '')}{name} {word}" for name, word in how.items())
        elif how != "deleted":
            yield f"{path} {how}"
