"""Which column of a dataset plays which role for a model."""

from collections.abc import Mapping
from dataclasses import dataclass

from edgewright.config import DataSource
from edgewright.errors import ConfigError

_CONTENT = ("text", "image", "input")
_DEFAULT = {"language-modeling": "text", "image-classification": "image", "regression": "input"}


@dataclass(frozen=True, slots=True)
class Roles:
    """Columns by role.

    Attributes:
        content: the role that the model's input comes from: text, image or input.
        columns: column of each role.
        optional: roles that the dataset may lack: a label column that nobody declared.
    """

    content: str
    columns: Mapping[str, str]
    optional: frozenset[str]


def of(data: DataSource, task: str) -> Roles:
    """Roles of a dataset for a task; a column that is not declared is looked for under its role's name.

    Raises:
        ConfigError: the declared columns do not go with the task.
    """
    declared = [role for role in _CONTENT if role in data.columns]
    content = declared[0] if declared else _DEFAULT[task]
    allowed = {"text"} if task == "language-modeling" else {"image", "input"}
    if len(declared) > 1 or content not in allowed:
        raise ConfigError(
            f"data with source {data.source}: columns: {', '.join(sorted(data.columns))}: the task {task} takes"
            f" one of the roles {', '.join(sorted(allowed))}"
        )
    chosen: dict[str, str] = {str(role): column for role, column in data.columns.items()}
    columns = {content: chosen.get(content, content)}
    if task == "image-classification":
        columns["label"] = chosen.get("label", "label")
    return Roles(content, columns, frozenset() if "label" in data.columns else frozenset({"label"}))
