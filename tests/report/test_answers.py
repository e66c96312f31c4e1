from edgewright.report import VariantFiles, collect
from edgewright.report.answers import answers


def test_best_smallest_and_fastest_of_what_is_accepted(variants: list[VariantFiles]) -> None:
    llama = [item for item in collect(variants).variants if item.model == "english-llama"]
    found = {answer.question: (llama[answer.index].aq, answer.value) for answer in answers(llama)}
    assert found == {
        "best": ("none", 44.92),
        "smallest": ("gptq-w4", 3_118_080),
        "fastest": ("awq-w4", 14.1),
    }


def test_an_estimate_does_not_compete_with_a_measurement(variants: list[VariantFiles]) -> None:
    resnet = [item for item in collect(variants).variants if item.model == "resnet8"]
    found = {answer.question: resnet[answer.index] for answer in answers(resnet)}
    assert found["fastest"].target == "xnnpack"
    assert found["smallest"].target == "ethos-u85-256"
    assert {item.status for item in found.values()} == {"ok"}


def test_one_accepted_variant_is_no_sweep(variants: list[VariantFiles]) -> None:
    assert answers([item for item in collect(variants).variants if item.model == "toycar"]) == ()
