"""The configuration: the schema of params.yaml and its loader."""

from edgewright.config.load import load, parse
from edgewright.config.schema import (
    Accept,
    AqRecipe,
    EvaluateOptions,
    Params,
    ProfileOptions,
    VariantEntry,
)
from edgewright.config.schemes import GqScheme
from edgewright.config.sources import DataSource, ExportOptions, ModelEntry, Preprocess, Synthetic

__all__ = [
    "Accept", "AqRecipe", "DataSource", "EvaluateOptions", "ExportOptions", "GqScheme", "ModelEntry", "Params",
    "Preprocess", "ProfileOptions", "Synthetic", "VariantEntry", "load", "parse",
]
