"""Everything that can be known to be wrong with a workspace without computing."""

import ast
from collections.abc import Callable, Iterator
from functools import partial
from itertools import product
from pathlib import Path

from edgewright.config import AqRecipe, DataSource, GqScheme, ModelEntry, Params
from edgewright.config.schemes import WeightScheme
from edgewright.engine import plan, recipes
from edgewright.engine.first_params import header
from edgewright.engine.workspace import Workspace
from edgewright.errors import ConfigError, EdgewrightError, InputError, nearest

_MXFP4_BITS = 5
"""Width of the integers, up to 12 in magnitude, that stand for E2M1 elements."""


def validate(workspace: Workspace) -> list[EdgewrightError]:
    """All mistakes that are found; empty when the configuration is right.

    A params.yaml that breaks the schema is one error with a line a mistake, and nothing else is looked at.
    """
    try:
        params = workspace.params()
    except ConfigError as error:
        return [error]
    return [mistake for check in _checks(workspace, params) if (mistake := _mistake(check)) is not None]


def require_valid(workspace: Workspace) -> None:
    """Raise what `validate` finds, as one error with a line a mistake.

    Raises:
        ConfigError: params.yaml is wrong.
        InputError: nothing is wrong but a file that it names.
    """
    mistakes = validate(workspace)
    if mistakes:
        first = min(mistakes, key=lambda error: error.exit_code)
        raise type(first)("\n".join(dict.fromkeys(str(error) for error in mistakes)))


def _mistake(check: Callable[[], None]) -> EdgewrightError | None:
    try:
        check()
    except EdgewrightError as error:
        return error
    return None


def _checks(workspace: Workspace, params: Params) -> Iterator[Callable[[], None]]:
    """The checks, from the small to the whole; each raises on the first mistake of its part."""
    from edgewright.gq.validate import check_methods
    from edgewright.models.check import check as check_model

    root = workspace.root
    for name, model in params.models.items():
        yield partial(check_model, model, f"params.yaml: models.{name}", root)
        yield partial(_function_exists, model, f"params.yaml: models.{name}.factory", root)
        for data in (model.calibration, model.holdout):
            yield partial(_columns, params.data[data], data, model, root)
    for name, data_source in params.data.items():
        yield partial(_split, data_source, name, root)
    for name, recipe in params.aq.items():
        yield partial(_recipe, recipe, f"params.yaml: aq.{name}")
    for name, scheme in params.gq.items():
        yield partial(check_methods, scheme, f"params.yaml: gq.{name}")
    for index, entry in enumerate(params.variants):
        for target, scheme_name in product(entry.target, entry.gq):
            yield partial(_scheme, params, target, scheme_name, index)
        for model_name, recipe_name, scheme_name in product(entry.model, entry.aq, entry.gq):
            yield partial(_weights, params, model_name, recipe_name, scheme_name, index)
            yield partial(_search, params, model_name, scheme_name, index)
    yield partial(_plan, params, root)


def _plan(params: Params, root: Path) -> None:
    plan.build(params, root=root)


def _function_exists(model: ModelEntry, where: str, root: Path) -> None:
    """The factory's function is defined in its file, which is read and not run."""
    from edgewright.models.check import locate

    if model.factory is None:
        return
    try:
        path = locate(model.factory, root)
    except ConfigError:
        return
    if path is None:
        return
    module, _, function = model.factory.partition(":")
    try:
        tree = ast.parse(path.read_text(encoding="utf-8"))
    except SyntaxError as error:
        raise ConfigError(f"{where}: {path.relative_to(root)}:{error.lineno}: {error.msg}") from error
    defined = {node.name for node in tree.body if isinstance(node, ast.FunctionDef | ast.ClassDef)}
    imported = {(name.asname or name.name).split(".")[0] for node in ast.walk(tree)
                if isinstance(node, ast.Import | ast.ImportFrom) for name in node.names}
    assigned = {target.id for node in tree.body if isinstance(node, ast.Assign) for target in node.targets
                if isinstance(target, ast.Name)}
    if function not in defined | imported | assigned and "*" not in imported:
        raise ConfigError(f"{where}: {module} defines no '{function}'{nearest(function, defined)}")


def _recipe(recipe: AqRecipe, where: str) -> None:
    used = recipes.used(recipe, where)
    for name in recipe.options:
        if name not in used:
            raise ConfigError(f"{where}.options: the recipe does not use '{name}'{nearest(name, used)}")


def _scheme(params: Params, target: str, scheme: str, index: int) -> None:
    from edgewright import targets

    where = f"params.yaml: variants[{index}]"
    known = targets.names()
    if target not in known:
        near = nearest(target, known)
        raise ConfigError(f"{where}.target: unknown target '{target}'{near}; known: {', '.join(known)}")
    targets.check_scheme(targets.load(target), params.gq[scheme], f"{where}: gq.{scheme}")


def _weights(params: Params, model: str, recipe: str, scheme: str, index: int) -> None:
    """What aq does is possible for the model, and gq can carry the integers on."""
    where = f"params.yaml: variants[{index}]"
    wanted, carried = params.aq.get(recipe), params.gq.get(scheme)
    if wanted is None or carried is None or model not in params.models or wanted.is_float:
        return
    if params.models[model].program is not None:
        raise ConfigError(f"{where}.aq: models.{model} is an exported program, which has no modules for aq.{recipe}"
                          " to quantize; give its factory or Hugging Face folder, or aq: none")
    for pattern, layer in {"": wanted, **_changed(wanted)}.items():
        weights = _carrier(carried, pattern)
        needed = [] if weights is None else _needed(layer, weights, wanted)
        if weights is not None and needed:
            place = f" for the layers '{pattern}'" if pattern else ""
            raise ConfigError(f"{where}: aq.{recipe} chooses {_form(layer)}{place}, which gq.{scheme} cannot carry on:"
                              f" its weights are {_form(weights)}; give aq {', '.join(needed)}, or gq other weights")


def _search(params: Params, model: str, scheme: str, index: int) -> None:
    """A search has rows of its own to judge on."""
    if scheme not in params.gq or params.gq[scheme].search is None or model not in params.models:
        return
    name = params.models[model].calibration
    data = params.data.get(name)
    if data is not None and not data.search:
        raise ConfigError(f"params.yaml: variants[{index}]: gq.{scheme}.search judges on rows of its own; give "
                          f"data.{name} samples: N and search: N")


def _changed(recipe: AqRecipe) -> dict[str, AqRecipe]:
    """The recipe as it is for the layers of each pattern that changes it."""
    return {
        pattern: recipe.model_copy(update={key: getattr(entry, key) for key in entry.model_fields_set})
        for pattern, entry in recipe.layers.items() if not isinstance(entry, str)
    }  # fmt: skip


def _carrier(scheme: GqScheme, pattern: str) -> WeightScheme | None:
    """The weights that carry the layers of a pattern on, None where only the model's layers could tell."""
    if not pattern or not scheme.layers:
        return scheme.weights
    entry = scheme.layers.get(pattern)
    return entry if isinstance(entry, WeightScheme) else None


def _needed(layer: AqRecipe, weights: WeightScheme, recipe: AqRecipe) -> list[str]:
    """What would have to differ for `weights` to carry the integers of `layer`; they may be narrower."""
    is_mxfp4 = layer.format == "mxfp4"
    bits, group, symmetric = (_MXFP4_BITS, 32, True) if is_mxfp4 else (layer.bits, layer.group, layer.symmetric)
    needed = []
    if bits > weights.bits:
        needed.append("format: int" if is_mxfp4 else f"bits: {weights.bits}")
    if group != weights.group:
        needed.append("no group" if weights.group is None else f"group: {weights.group}")
    if weights.symmetric and not symmetric:
        needed.append("symmetric: true")
    elif not symmetric and layer.algorithms[-1:] == ("hqq",) and _zero_point(recipe) != "integer":
        needed.append("options: {hqq: {zero_point: integer}}")
    if weights.granularity == "tensor":
        needed.append("none")
    return needed


def _zero_point(recipe: AqRecipe) -> object:
    return recipe.options.get("hqq", {}).get("zero_point", "float")


def _form(weights: AqRecipe | WeightScheme) -> str:
    granularity = weights.granularity if isinstance(weights, WeightScheme) else "channel"
    if isinstance(weights, AqRecipe) and weights.format == "mxfp4":
        return "mxfp4 weights in groups of 32"
    symmetry = "" if weights.symmetric else "asymmetric "
    group = f"in groups of {weights.group}" if weights.group else f"per {granularity}"
    return f"{symmetry}{weights.bits}-bit integers {group}"


def _split(data: DataSource, name: str, root: Path) -> None:
    from edgewright.datasets.source import check

    try:
        check(data, root)
    except ConfigError as error:
        raise ConfigError(f"params.yaml: data.{name}: {error}") from error


def _columns(data: DataSource, name: str, model: ModelEntry, root: Path) -> None:
    """The columns of a local parquet or CSV file, from its header."""
    from edgewright.datasets import roles

    if data.source is None:
        return
    wanted = roles.of(data, model.task)
    path = root / data.source
    found = header(path)
    if found is None:
        return
    for role, column in wanted.columns.items():
        if column not in found and role not in wanted.optional:
            raise InputError(
                f"params.yaml: data.{name}.columns.{role}: {data.source} has no column '{column}'"
                f"{nearest(column, found)}; columns: {', '.join(found)}"
            )
