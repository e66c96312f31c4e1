"""The example of docs/search.md is a configuration."""

import yaml

from edgewright import registry, targets
from edgewright.config import DataSource, GqScheme
from edgewright.gq import validate
from edgewright.gq.search import COSTS, methods
from tests.support import ROOT, blocks

PAGE = "docs/search.md"


def test_the_documented_search_is_right():
    (block,) = map(yaml.safe_load, blocks(PAGE, "yaml"))
    assert DataSource.model_validate(block["data"]["cifar10-calib"]).search == 128
    validate.check(targets.load("xnnpack"), GqScheme.model_validate(block["gq"]["mixed"]), "gq.mixed")


def test_every_method_and_cost_is_documented():
    text = (ROOT / PAGE).read_text()
    for name in (*registry.names(methods.PACKAGE), *registry.names(COSTS)):
        assert f"`{name}`" in text
