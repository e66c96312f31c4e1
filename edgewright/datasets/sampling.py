"""Draw a calibration or holdout sample from a dataset, seeded, and validate it."""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from edgewright.config import DataSource
from edgewright.datasets import arrays, expectations, images, kinds, labels, roles, source, synthetic, text
from edgewright.datasets.content import text_digest
from edgewright.datasets.decoded import Decoded, shape_text
from edgewright.datasets.sample import FILE as SAMPLE_FILE
from edgewright.datasets.sample import SEARCH_FILE, Sample
from edgewright.datasets.validate import FILE as VALIDATION_FILE
from edgewright.datasets.validate import validate, write
from edgewright.errors import ConfigError, InputError
from edgewright.models.spec import ModelSpec

_ROWS_AT_ONCE = 512


@dataclass(frozen=True, slots=True)
class Drawn:
    """A sample that kept every rule, and the outcome of the rules.

    Attributes:
        facts: source, seed, numbers of samples, source rows and rows left out, signature and digest.
        expectations: the outcome of each rule, see `validate`.
        search: the rows behind the sample that a search judges on, None where `search` asks for none.
    """

    sample: Sample
    facts: Mapping[str, Any]
    expectations: list[dict[str, Any]]
    search: Sample | None = None

    def write(self, folder: Path) -> None:
        """Write `sample.parquet`, `search.parquet` and the readable `validation.json`; equal samples, equal bytes."""
        self.sample.save(folder / SAMPLE_FILE)
        if self.search is not None:
            self.search.save(folder / SEARCH_FILE)
        write(folder / VALIDATION_FILE, self.expectations, self.facts)


def draw(
    data: DataSource, model_folder: Path, spec: ModelSpec, *,
    exclude: Sample | None = None, workspace: Path, labelled: bool = False,
) -> Drawn:
    """The sample that `data` describes, preprocessed for a model and validated.

    With `samples: N` it is N rows in the order of `numpy.random.default_rng(seed).permutation`, or N windows chosen
    by `default_rng(seed).choice`; with null it is everything in order. For a language model, windows of the input's
    length that do not overlap are cut from all documents one after the other, each beginning with the
    beginning-of-sequence token; blank documents are left out, an incomplete last window is dropped.

    Args:
        data: an entry of `data` in params.yaml.
        model_folder: where a language model's tokenizer lies.
        spec: the model's task, inputs, labels and preprocessing.
        exclude: the holdout sample; rows whose content (pixels, numbers, words) it holds are left out.
        workspace: the folder that relative paths start from.
        labelled: whether a sample for image classification without labels is an error.

    Raises:
        ConfigError: columns or preprocessing do not go with the model.
        InputError: the source does not load, has too few rows, or a rule is broken; one line.
    """
    if data.search:
        return _divided(data, model_folder, spec, exclude, workspace)
    excluded = exclude.source_digests if exclude is not None else frozenset()
    if data.synthetic is not None:
        return _synthetic(data, spec, excluded)
    if len(spec.inputs) != 1:
        names = ", ".join(item.name for item in spec.inputs)
        raise ConfigError(f"{data.source}: the model has the inputs {names}; data goes with one, or is synthetic")
    wanted = roles.of(data, spec.task)
    if labelled and spec.task == "image-classification":
        wanted = roles.Roles(wanted.content, wanted.columns, frozenset())
    with source.opened(data, wanted.columns, wanted.optional, workspace) as rows:
        schema = _schema(rows)
        if wanted.content == "text":
            drawn = _documents(data, rows, model_folder, spec, excluded)
        else:
            drawn = _rows(data, rows, wanted.content, spec, excluded)
    return replace(drawn, expectations=[*schema, *drawn.expectations])


def _divided(data: DataSource, model_folder: Path, spec: ModelSpec, exclude: Sample | None, workspace: Path) -> Drawn:
    """A sample of `samples` rows and one of `search` rows, drawn as one so that they share none."""
    assert data.samples is not None
    whole = data.model_copy(update={"samples": data.samples + data.search, "search": 0})
    drawn = draw(whole, model_folder, spec, exclude=exclude, workspace=workspace)
    first, second = drawn.sample.head(data.samples), drawn.sample.part(slice(data.samples, None))
    facts = {**drawn.facts, "samples": len(first), "digest": first.digest}
    facts["search"] = {"samples": len(second), "digest": second.digest}
    return replace(drawn, sample=first, search=second, facts=facts)


def _schema(rows: source.Rows) -> list[dict[str, Any]]:
    every = np.arange(len(rows.table))
    observed = {role: np.full(len(every), kinds.kind(rows.table[role].type), dtype=object) for role in rows.columns}
    return validate(expectations.for_columns(rows.columns), observed, every, rows.source)


def _synthetic(data: DataSource, spec: ModelSpec, excluded: frozenset[str]) -> Drawn:
    if data.synthetic is None or data.samples is None:
        raise ConfigError("synthetic data needs samples: N")
    sample = Sample(
        synthetic.draw(data.synthetic, spec.inputs, data.samples, data.seed),
        synthetic=True,
    )
    if sample.source_digests & excluded:
        raise InputError(f"synthetic data with seed {data.seed}: its rows are in the holdout; give it another seed")
    first = next(iter(sample.inputs.values()))
    shape = first.shape[1:]
    decoded = Decoded(first, [digests[0] for digests in sample.row_digests], [shape_text(shape)] * len(sample))
    name = f"synthetic {data.synthetic.distribution}"
    rules = expectations.for_rows(spec.inputs[0].name, None, shape, 0, data.samples, excluded)
    order = np.arange(len(sample))
    records = validate(rules, decoded.observations(), order, name)
    return Drawn(sample, _facts(name, data, sample, order, 0), records)


def _rows(data: DataSource, rows: source.Rows, content: str, spec: ModelSpec, excluded: frozenset[str]) -> Drawn:
    item = spec.inputs[0]
    column = rows.columns[content]
    if item.dtype != "float32":
        raise ConfigError(f"{rows.source}: {content} data is float32, the model's input '{item.name}' is {item.dtype}")
    total = len(rows.table)
    order = np.arange(total) if data.samples is None else np.random.default_rng(data.seed).permutation(total)
    asked = total if data.samples is None else data.samples
    parts: list[Decoded] = []
    chosen: list[int] = []
    left_out = 0
    for start in range(0, total, _ROWS_AT_ONCE):
        if len(chosen) == asked:
            break
        at = order[start:start + _ROWS_AT_ONCE]
        cells = rows.table[content].take(at)
        if content == "image":
            decoded = images.decode(cells, item.shape, spec.preprocess, rows.folder)
        else:
            decoded = arrays.decode(cells, item.shape, spec.preprocess)
        kept = [index for index, digest in enumerate(decoded.digests) if digest not in excluded]
        left_out += len(at) - len(kept)
        kept = kept[:asked - len(chosen)]
        parts.append(decoded.take(kept))
        chosen += at[kept].tolist()
    _enough(rows.source, len(chosen), data.samples, "rows", left_out)
    decoded = Decoded.concatenate(parts)
    numbers = np.asarray(chosen, dtype=np.int64)
    observed = decoded.observations()
    where = f"{rows.source}: column '{rows.columns.get('label')}'"
    if "label" in rows.columns:
        observed["label"] = labels.indices(rows.table["label"].take(numbers), rows.label_names, spec.labels, where)
    raw = images.RAW if content == "image" else data.range
    bounds = images.bounds(spec.preprocess, item.shape[0], raw) if raw is not None else None
    rules = expectations.for_rows(
        column, rows.columns.get("label"), item.shape, len(spec.labels), data.samples, excluded, bounds,
    )
    records = validate(rules, observed, numbers, rows.source)
    sample = Sample(
        {item.name: decoded.values},
        labels=observed["label"].astype(np.int64) if "label" in observed else None,
        row_digests=tuple((str(digest),) for digest in decoded.digests),
    )
    return Drawn(sample, _facts(rows.source, data, sample, numbers, left_out), records)


def _documents(
    data: DataSource, rows: source.Rows, model_folder: Path, spec: ModelSpec, excluded: frozenset[str]
) -> Drawn:
    item = spec.inputs[0]
    length = item.shape[0]
    texts = rows.table["text"].to_pylist()
    digests = [None if value is None else text_digest(value) for value in texts]
    kept = [
        row for row, (value, digest) in enumerate(zip(texts, digests, strict=True))
        if value is None or (value.strip() and digest not in excluded)
    ]
    left_out = sum(digest in excluded for digest in digests)
    # A null stays as an empty document until the expectations have named it.
    stream = text.tokenize([texts[row] or "" for row in kept], model_folder)
    windows = stream.windows(length)
    chosen = np.arange(len(windows))
    _enough(rows.source, len(windows), data.samples, f"windows of {length} tokens", left_out)
    if data.samples is not None:
        chosen = np.random.default_rng(data.seed).choice(len(windows), data.samples, replace=False)
    numbers = np.asarray(kept, dtype=np.int64)
    kept_digests = np.array([digests[row] for row in kept], dtype=object)
    observed = {"row_digest": kept_digests, **stream.observations()}
    vocabulary = spec.vocabulary if spec.vocabulary is not None else text.vocabulary(model_folder)
    rules = expectations.for_documents(rows.columns["text"], vocabulary, excluded)
    records = validate(rules, observed, numbers, rows.source)
    sample = Sample(
        {item.name: np.ascontiguousarray(windows[chosen])},
        row_digests=tuple(
            tuple(dict.fromkeys(kept_digests[document] for document in stream.documents(int(window), length)))
            for window in chosen
        ),
    )
    return Drawn(sample, {**_facts(rows.source, data, sample, numbers, left_out), "tokens": len(stream.ids)}, records)


def _enough(name: str, found: int, asked: int | None, kind: str, left_out: int) -> None:
    needed = 1 if asked is None else asked
    if found < needed:
        without = f" after {left_out} rows that are in the holdout are left out" if left_out else ""
        raise InputError(f"{name}: {found} {kind}{without}, {needed} asked for; lower samples or give more data")


def _facts(name: str, data: DataSource, sample: Sample, rows: NDArray[np.int64], left_out: int) -> dict[str, Any]:
    return {
        "source": name, "samples": len(sample), "seed": data.seed, "rows": len(rows), "rows_in_holdout": left_out,
        "synthetic": sample.synthetic, "digest": sample.digest,
        "inputs": {
            key: {"shape": list(array.shape[1:]), "dtype": str(array.dtype)} for key, array in sample.inputs.items()
        },
    }
