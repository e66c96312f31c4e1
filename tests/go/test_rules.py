"""Every rule there is earns its class."""

import pytest

from edgewright.go import catalogue
from edgewright.go.certify import certify
from edgewright.go.rule import Class, Rule


@pytest.mark.parametrize("rule", catalogue.rules(), ids=lambda rule: f"{rule.family}/{rule.name}")
def test_rule_earns_its_class(rule: Rule) -> None:
    certificate = certify(rule)
    assert certificate.examples
    assert certificate.samples >= 15
    assert certificate.kind == rule.kind
    assert certificate.ulps <= (0.0 if rule.kind.bitwise else rule.ulps)
    assert len(certificate.negatives) >= 1, "a rule shows at least one module that it leaves alone"
    reasons = [text for text in rule.when.__code__.co_consts[1:] if isinstance(text, str) and " " in text]
    for reason in reasons:
        assert any(reason in found for found in certificate.negatives), f"no negative shows the guard '{reason}'"
    assert "=" in (type(rule).__doc__ or ""), "the docstring states the equation"


def test_names_are_unique_and_found_in_order() -> None:
    rules = catalogue.rules()
    names = [rule.name for rule in rules]
    assert len(set(names)) == len(names) >= 14
    assert [(rule.family, rule.name) for rule in rules] == sorted((rule.family, rule.name) for rule in rules)
    assert {rule.kind for rule in rules} >= {Class.EXACT, Class.REAL_EXACT, Class.FOLDED, Class.DECOMPOSITION}


def test_orders_name_rules_that_exist() -> None:
    names = {rule.name for rule in catalogue.rules()}
    assert {later for rule in catalogue.rules() for later in rule.after} <= names
