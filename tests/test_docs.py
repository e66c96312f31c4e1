"""The examples of docs/aq.md, ir.md, params.md, targets.md and of the README do what the text says."""

import re

import pytest
import yaml

from edgewright import ir, registry, targets
from edgewright.aq import algorithms
from edgewright.config import Accept, AqRecipe, schema
from edgewright.models.load import export
from tests.support import ROOT, blocks


def test_the_program_example_runs(loaded, tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    ir.save(export(loaded("resnet8_cifar10")), tmp_path / "program.pt2")
    (code,) = blocks("docs/ir.md", "python")
    exec(compile(code, "docs/ir.md", "exec"), {})
    assert "conv2d" in capsys.readouterr().out
    assert (tmp_path / "edited.pt2").is_file()


@pytest.mark.parametrize(("heading", "model"), [
    ("models", schema.ModelEntry), ("data", schema.DataSource), ("aq: weight quantization", schema.AqRecipe),
    ("gq: graph quantization", schema.GqScheme),
])
def test_every_field_of_params_is_documented(heading, model):
    section = (ROOT / "docs/params.md").read_text().split(f"## {heading}\n")[1].split("\n## ")[0]
    named = set(re.findall(r"`(\w+)`", "\n".join(line.split("|")[1] for line in section.splitlines() if "|" in line)))
    assert named == set(model.model_fields)


@pytest.mark.parametrize("package", [algorithms.TRANSFORMS, algorithms.ROUNDERS])
def test_every_algorithm_is_documented_with_its_options(package):
    text = (ROOT / "docs/aq.md").read_text()
    sections = dict(re.findall(r"^### (.+?)\n(.*?)(?=^##|\Z)", text, re.MULTILINE | re.DOTALL))
    for name in registry.names(package):
        rows = re.findall(r"^\| `(\w+)` \| `(.+?)` \|", sections[name], re.MULTILINE)
        fields = registry.load(package, name).Options.model_fields.items()
        assert {key: yaml.safe_load(value) for key, value in rows} == {key: field.default for key, field in fields}


def recipes():
    return [item for block in blocks("docs/aq.md", "yaml") for item in yaml.safe_load(block)["aq"].items()]


@pytest.mark.parametrize(("name", "raw"), recipes())
def test_the_recipes_of_the_page_are_recipes(name, raw):
    recipe = AqRecipe.model_validate(raw)
    made = algorithms.Algorithms(recipe.options)
    for entry in (recipe, *(entry for entry in recipe.layers.values() if entry != "skip")):
        transforms, rounder = algorithms.split(entry.algorithms)
        for transform in transforms:
            made.transform(transform)
        made.rounder(rounder)
    made.check_used()


def test_every_budget_is_documented():
    text = (ROOT / "docs/params.md").read_text()
    assert all(f"`{name}`" in text for name in Accept.model_fields)


def test_the_target_example_is_a_target(tmp_path):
    text = blocks("docs/targets.md", "yaml")[0]
    assert yaml.safe_load(text)["extends"] == "ethos-u85"
    (tmp_path / "example.yaml").write_text(text)
    target = targets.read(tmp_path / "example.yaml", ROOT / "edgewright/targets/families")
    assert target.supports("conv2d")


def test_what_the_readme_names_exists():
    text = (ROOT / "README.md").read_text()
    for path in re.findall(r"\]\(([\w/.-]+)\)", text):
        assert (ROOT / path).is_file(), path
    made = set(re.findall(r"`(?:make )?(bench-[\w-]+)", text))
    makefile = (ROOT / "Makefile").read_text()
    assert made
    assert all(re.search(rf"^{name}:", makefile, re.MULTILINE) for name in made)
