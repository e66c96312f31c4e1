from edgewright.compare.match import match
from edgewright.compare.values import INPUT, Value


def value(name, scope, operator, origins=(), shape=("?", "4"), module=None):
    return Value(name, scope, operator, shape, tuple(origins), scope if module is None else module)


def names(found):
    return [(first.name, second.name) for first, second in found.pairs]


FLOAT = [
    value("x", "", INPUT),
    value("conv", "conv1", "conv2d", ["conv"]),
    value("norm", "bn1", "batch_norm", ["norm"]),
    value("relu", "act", "relu", ["relu"]),
    value("head", "head", "linear", ["head"]),
]


def test_a_fused_operator_is_paired_with_the_last_of_its_parts():
    fused = [
        value("x0", "", INPUT),
        value("conv2d", "conv1", "conv2d", ["conv", "norm"], module=""),
        value("relu", "act", "relu", ["relu"]),
        value("linear", "head", "linear", ["head"]),
    ]
    found = match(FLOAT, fused)
    assert names(found) == [("x", "x0"), ("norm", "conv2d"), ("relu", "relu"), ("head", "linear")]
    assert [item.name for item in found.first_only] == ["conv"]
    back = match(fused, FLOAT)
    assert names(back) == [(b, a) for a, b in names(found)]


def test_of_several_operators_that_stand_for_one_the_last_is_paired():
    split = [
        value("x", "", INPUT),
        value("a", "conv1", "reshape", ["conv"]),
        value("b", "conv1", "bmm", ["conv"]),
        value("norm", "bn1", "batch_norm", ["norm"]),
    ]
    found = match(FLOAT, split)
    assert names(found) == [("x", "x"), ("conv", "b"), ("norm", "norm")]
    assert [item.name for item in found.second_only] == ["a"]


def test_another_export_is_matched_by_module_and_order():
    other = [
        value("x", "", INPUT),
        value("rotation", "first", "mul", ["conv"]),
        value("conv_5", "conv1", "conv2d", ["head"]),
        value("head_2", "head", "linear", ["relu"]),
    ]
    assert names(match(FLOAT, other)) == [("x", "x"), ("conv", "conv_5"), ("head", "head_2")]


def test_other_shapes_and_other_counts_are_not_paired():
    wide = [value("conv", "conv1", "conv2d", ["conv"], ("?", "8"))]
    assert names(match(FLOAT, wide)) == []
    twice = [value("h1", "head", "linear"), value("h2", "head", "linear")]
    assert names(match(FLOAT, twice)) == []
