"""Options that several commands share."""

from typing import TYPE_CHECKING, Annotated, Any

import typer

if TYPE_CHECKING:
    from edgewright.engine.workspace import Workspace

Remote = Annotated[str | None, typer.Option(metavar="NAME|URL|PATH", help="Remote; the default one if absent.")]
Jobs = Annotated[int | None, typer.Option(min=1, help="Parallel transfers.")]


def entry_of(workspace: "Workspace", variant: str) -> tuple[dict[str, Any], dict[str, float]]:
    """A variant's entry in the plan of params.yaml as it is now, and its budget.

    Raises:
        ConfigError: there is no such variant; the nearest is named.
    """
    from edgewright.engine import plan
    from edgewright.errors import ConfigError, nearest

    params = workspace.params()
    variants = {item["name"]: item for item in plan.build(params, root=workspace.root)["variants"]}
    if variant not in variants:
        raise ConfigError(f"no variant '{variant}'{nearest(variant, variants)}")
    item = variants[variant]
    return item, params.variants[item["entry"]].accept.model_dump(exclude_none=True)
