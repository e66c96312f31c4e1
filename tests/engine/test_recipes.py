import pytest

from edgewright import registry
from edgewright.config import AqRecipe
from edgewright.engine.recipes import used
from edgewright.errors import ConfigError


@pytest.fixture(autouse=True)
def second_rounder(monkeypatch: pytest.MonkeyPatch) -> None:
    known = registry.names
    monkeypatch.setattr(
        registry, "names", lambda package: ("other", "rtn") if package.endswith(".rounders") else known(package)
    )


@pytest.mark.parametrize(
    ("recipe", "expected"),
    [
        ({}, ()),
        ({"bits": 4}, ("rtn",)),
        ({"algorithms": ["awq"]}, ("awq", "rtn")),
        ({"algorithms": ["awq", "other"]}, ("awq", "other")),
        ({"algorithms": ["other"], "layers": {"lm_head": "skip", "fc": {"bits": 8}}}, ("other",)),
        ({"algorithms": ["other"], "layers": {"fc": {"algorithms": ["awq"]}}}, ("awq", "other", "rtn")),
    ],
)
def test_default_rounder_is_used_only_where_none_is_named(recipe: dict[str, object], expected: tuple[str, ...]) -> None:
    assert used(AqRecipe.model_validate(recipe), "aq.x") == expected


def test_mistake_in_a_layer_names_its_key() -> None:
    recipe = AqRecipe.model_validate({"bits": 4, "layers": {"fc": {"algorithms": ["awk"]}}})
    with pytest.raises(ConfigError, match=r"aq\.x\.layers\.fc\.algorithms: unknown algorithm 'awk'"):
        used(recipe, "aq.x")
