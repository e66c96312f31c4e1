"""What all entries of params.yaml share."""

from pydantic import BaseModel, ConfigDict


class Entry(BaseModel):
    """A mapping of params.yaml: immutable, and an unknown key is an error."""

    model_config = ConfigDict(frozen=True, extra="forbid")
