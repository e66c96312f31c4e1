"""What is done to one part of the model: transforms, then rounders; a layer that fails is answered by `on_failure`."""

from collections.abc import Callable, Mapping, Sequence

from torch import nn

from edgewright.aq.activations import Activations
from edgewright.aq.algorithms import DEFAULT_ROUNDER
from edgewright.aq.block import Block, Layer, install
from edgewright.aq.contract import Applied, Rounder, Transform
from edgewright.aq.failure import LayerError
from edgewright.aq.nearest import round_to_nearest
from edgewright.aq.recorder import Recorder
from edgewright.aq.report import OutputError, measure, output_error, rtn_error
from edgewright.memory import release
from edgewright.parallel import ordered_map
from edgewright.rounding import clipped, min_max, quantize

_UNKNOWN = OutputError()


def finish(
    block: Block, transforms: Mapping[str, Transform], rounders: Mapping[str, Rounder], recorder: Recorder,
    outputs: Activations | None,
) -> None:  # fmt: skip
    """Transform and round the layers of a block; `outputs` takes what the block gives before that."""
    recorder.advance(block.name, len(block.layers), 0.0, "calibration")
    _collect(block, recorder, outputs)

    names, changes = list(block.layers), block.changes
    release()
    errors = ordered_map(lambda name: rtn_error(block.layers[name], block.statistics(name)), names)
    baseline = dict(zip(names, errors, strict=True))
    release()
    transform(block, transforms, recorder, "block")
    _collect(block, recorder, None)
    statistics = {name: block.statistics(name) for name in block.layers}
    is_same = block.changes == changes
    for rounder_name, rounder in rounders.items():

        def left(rounder_name: str = rounder_name) -> list[str]:
            done = {row.module for row in recorder.part.rows}
            own = (name for name, layer in block.layers.items() if layer.algorithms[-1] == rounder_name)
            return [name for name in own if name not in done]

        def round_all(names: Sequence[str], name: str = rounder_name, rounder: Rounder = rounder) -> None:
            for layer_name, weight in rounder.round(block, names):
                layer = block.layers[layer_name]
                own = rtn = baseline[layer_name]
                if not is_same or layer.clip or name != DEFAULT_ROUNDER:
                    own = output_error(layer, weight, statistics[layer_name], rtn.power if is_same else None)
                row = measure(layer, weight, own, rtn, (*recorder.changed_by(layer_name), name))
                recorder.row(row, block.install(layer_name, weight))
                release()

        _until_done(block, recorder, round_all, left)


def transform(block: Block, transforms: Mapping[str, Transform], recorder: Recorder, scope: str) -> None:
    """Apply the transforms of a scope to those layers of the block that take them."""
    for name, item in transforms.items():
        if item.scope != scope:
            continue

        def left(name: str = name) -> list[str]:
            return [layer.name for layer in block.layers.values() if name in layer.algorithms]

        def apply(names: Sequence[str], name: str = name, item: Transform = item) -> None:
            recorder.part.applied[name] = item.apply(block, names) if names else Applied(())

        _until_done(block, recorder, apply, left)


def round_embedding(model: nn.Module, layer: Layer, recorder: Recorder) -> None:
    """Round an embedding to nearest: its inputs are ids, so that there is no output error but that of its rows."""
    parameters = clipped(layer.matrix, layer.grid) if layer.clip else min_max(layer.matrix, layer.grid)
    weight = quantize(layer.matrix, *parameters, layer.grid)
    recorder.row(measure(layer, weight, _UNKNOWN, _UNKNOWN, ("rtn",)), install(model, layer, weight))


def _collect(block: Block, recorder: Recorder, outputs: Activations | None) -> None:
    def collect(_: Sequence[str]) -> None:
        if outputs is not None:
            outputs.clear()
            block.collect(outputs.append)
        elif block.layers:
            block.statistics(next(iter(block.layers)))

    _until_done(block, recorder, collect, lambda: list(block.layers))


def _until_done(
    block: Block, recorder: Recorder, work: Callable[[Sequence[str]], None], left: Callable[[], list[str]]
) -> None:
    """Do the work for the layers that are left, until none of them fails any more."""
    while True:
        try:
            work(left())
        except LayerError as error:
            if error.layer not in block.layers:
                raise
            recorder.fail(error)
            _give_up(block, recorder, error)
        else:
            return


def _give_up(block: Block, recorder: Recorder, error: LayerError) -> None:
    layer = block.remove(error.layer)
    if recorder.on_failure == "rtn":
        weight = round_to_nearest(layer)
        row = measure(layer, weight, _UNKNOWN, _UNKNOWN, ("rtn",), error.reason)
        recorder.row(row, install(block.model, layer, weight))
