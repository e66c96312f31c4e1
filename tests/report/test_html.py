import re
from dataclasses import replace
from html.parser import HTMLParser

import pytest

from edgewright.files import read_json, write_json
from edgewright.report import VariantFiles, collect
from edgewright.report.html import heat, page

VOID = {"meta", "link", "br", "img", "input", "hr", "wbr"}


class Balanced(HTMLParser):
    """Collects text and ids; raises where tags do not close in order."""

    def __init__(self) -> None:
        super().__init__()
        self.open: list[str] = []
        self.ids: list[str] = []
        self.links: list[str] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        if tag not in VOID:
            self.open.append(tag)
        values = dict(attrs)
        self.ids += [values["id"] or ""] if "id" in values else []
        self.links += [values["href"] or ""] if "href" in values else []

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        pass

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag


def parsed(text: str) -> Balanced:
    parser = Balanced()
    parser.feed(text)
    parser.close()
    assert parser.open == []
    return parser


def test_the_page_stands_alone_and_is_small(variants: list[VariantFiles]) -> None:
    text = page(collect(variants))
    assert len(text.encode()) < 300_000
    assert not re.search(r"""(src|href)\s*=\s*["'](?!#)""", text)
    assert "http" not in re.sub(r"http-equiv", "", text)
    assert "@import" not in text
    assert "url(" not in text


def test_every_variant_has_a_card_that_links_reach(variants: list[VariantFiles]) -> None:
    parser = parsed(page(collect(variants)))
    assert {item.name for item in variants} <= set(parser.ids)
    assert len(parser.ids) == len(set(parser.ids))
    assert all(link.startswith("#") and link[1:] in parser.ids for link in parser.links)


def test_what_is_not_accepted_estimated_or_synthetic_is_marked(variants: list[VariantFiles]) -> None:
    text = page(collect(variants))
    assert "the target needs a power-of-two scale" in text
    assert "metric_drop: 5.00 points, at most 0.50 points accepted" in text
    assert '<span class="tag">estimate</span>' in text
    assert '<span class="tag">synthetic input</span>' in text
    assert "500 samples" in text
    estimates = page(collect([item for item in variants if item.target == "xnnpack"]))
    assert '<span class="tag">estimate</span>' not in estimates


def test_strings_of_the_user_are_escaped(variants: list[VariantFiles]) -> None:
    evil = "<script>alert(1)</script>\"'&"
    files = replace(
        variants[0],
        name=evil,
        model=evil,
        aq=evil,
        gq=evil,
        target=evil,
        artifact=evil,
        failure=evil,
        lineage={evil: evil},
    )
    text = page(collect([files, variants[1]]))
    assert "<script>alert" not in text
    assert "&lt;script&gt;alert(1)" in text
    assert text.count("<script>") == 1
    parsed(text)


def test_equal_reports_are_equal_bytes(variants: list[VariantFiles]) -> None:
    assert page(collect(variants)) == page(collect(variants))


def test_a_page_of_failures_only(variants: list[VariantFiles]) -> None:
    failed = [item for item in variants if item.failure]
    text = page(collect(failed))
    parsed(text)
    assert '<svg viewBox="0 0 400' in text
    assert 'class="answer ' not in text


def test_the_layers_of_every_recipe_are_shown(variants: list[VariantFiles]) -> None:
    text = page(collect(variants))
    assert text.count("Weight quantization by layer") == 2
    assert text.count("Which recipe won where") == 1
    assert "1 × its weight is tied to model.embed_tokens" in text
    assert re.search(r"changed 8 layers, left 2</span>.*?2 × no producer to scale", text, re.DOTALL)
    assert "Which recipe won where" not in page(collect(variants[:1]))


def test_failures_are_counted_where_nobody_can_miss_them(variants: list[VariantFiles]) -> None:
    path = variants[0].layers
    assert path is not None
    content = read_json(path)
    content["modules"][0] |= dict.fromkeys(("output_mse", "output_snr_db", "rtn_output_mse", "rtn_output_snr_db"))
    content["failures"] = [{"module": "<b>", "reason": "not positive <definite>", "became": "float"}]
    write_json(path, content)
    text = page(collect(variants))
    parsed(text)
    assert "1 failed in aq" in text
    assert '<p class="small">aq: 1 layer failed, 1 became float</p>' in text
    assert "not positive &lt;definite&gt;" in text
    assert "failed in aq" not in page(collect(variants[1:]))


@pytest.mark.parametrize(("snr", "strength"), [(None, 0), (60.0, 0), (45.0, 0), (10.0, 100), (-5.0, 100)])
def test_heat_is_drift(snr: float | None, strength: int) -> None:
    assert heat(snr) == strength


def test_the_heat_strip_has_a_cell_for_each_module_and_a_table_with_its_figures(variants: list[VariantFiles]) -> None:
    files = next(item for item in variants if item.sensitivity is not None and item.sensitivity.is_file())
    assert files.sensitivity is not None
    content = read_json(files.sensitivity)
    content["modules"][3] |= {"scope": "a.<b>", "snr_db": -3.25, "mse": 4.5e-3, "cosine": 0.125}
    write_json(files.sensitivity, content)
    text = page(collect([files]))
    parsed(text)
    cell = r'<i class="cell( worst)?" style="--h:(\d+)" role="img" tabindex="(-?\d)" data-tip="([^"]*)"'
    cells = re.findall(cell, text)
    of_gq = [cell for cell in cells if "after gq" in cell[3]]
    assert len(of_gq) == len(content["modules"])
    assert [cell for cell in of_gq if cell[0]] == [
        (" worst", "100", "0", "a.&lt;b&gt; · conv2d\nafter gq: -3.2 dB\nMSE 4.50e-03, cosine 0.12500")
    ]
    assert "worst after gq: " in text
    row = r'a.&lt;b&gt;</td>\s*(<td[^>]*>[^<]*</td>\s*)*<td>-3.2 dB</td><td class="wide">4.50e-03</td>'
    assert re.search(row, text)


def test_a_search_and_a_tuning_are_tables_of_their_points_and_steps(variants: list[VariantFiles], tmp_path) -> None:
    point = {"share": 0.25, "mse": 0.5, "snr_db": 31.5, "metric_drop": 0.4, "units": {"w4a8": 3, "float": 1}}
    other = {**point, "share": 1.0, "snr_db": None, "mse": 0.0, "units": {"w4a8": 0, "float": 4}}
    write_json(tmp_path / "assignment.json", {
        "method": "amp", "cost": "bytes", "evaluations": 12, "chosen": point, "front": [point, other],
    })  # fmt: skip
    step = {"step": "baseline w8a8", "share": 0.25, "mse": 0.1, "snr_db": 12.5, "metric_drop": None, "evaluations": 1}
    write_json(tmp_path / "tuning.json", {
        "cause": {"is": "activations"}, "chosen": "AMP",
        "steps": [{**step, "reached": False}, {**step, "step": "AMP", "reached": True}],
    })  # fmt: skip
    files = replace(variants[0], search=tmp_path / "assignment.json", tuning=tmp_path / "tuning.json")
    text = page(collect([files]))
    parsed(text)
    plain = " ".join(re.sub(r"<[^>]+>", " ", text).split())
    assert "amp, 12 evaluations; 25 % of the bytes" in plain
    assert "1 float, 3 w4a8 stays 25.0 % 31.5 0.4" in plain
    assert "4 float 100.0 % ∞ 0.4" in plain
    assert "the error came from activations; AMP stays" in plain
    assert "baseline w8a8 12.5 – 25 % 1 missed" in plain
    assert "AMP 12.5 – 25 % 1 holds" in plain
