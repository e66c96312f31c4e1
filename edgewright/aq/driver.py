"""Quantize the weights of a model: the blocks are streamed, and a recipe's algorithms run on each."""

import tempfile
from collections.abc import Iterable, Sequence
from contextlib import ExitStack
from functools import partial
from pathlib import Path
from typing import cast

import torch
from torch import Tensor, nn

from edgewright.aq import checkpoint
from edgewright.aq import device as devices
from edgewright.aq.activations import Activations
from edgewright.aq.algorithms import Algorithms, split
from edgewright.aq.block import Block, Layer, Run
from edgewright.aq.contract import Rounder, Transform
from edgewright.aq.recorder import Recorder
from edgewright.aq.report import QuantizedModel
from edgewright.aq.samples import Batch, batches
from edgewright.aq.selection import select
from edgewright.aq.statistics import INPUTS, Statistic
from edgewright.aq.store import STREAMS, Store
from edgewright.aq.stream import Blocks, Stream, find_blocks
from edgewright.aq.structure import Structure, trace
from edgewright.aq.work import finish, round_embedding, transform
from edgewright.config import AqRecipe
from edgewright.datasets.sample import Sample
from edgewright.memory import bounded, release
from edgewright.models.load import LoadedModel
from edgewright.parallel import ordered_map
from edgewright.progress import Progress, silent
from edgewright.threads import one_thread

_HALF = (torch.bfloat16, torch.float16)


def quantize(
    model: LoadedModel, sample: Sample, recipe: AqRecipe, *, progress: Progress = silent, resume: Path | None = None
) -> QuantizedModel:
    """Replace the weights of a model by integers, as a recipe says.

    Equal inputs give equal bits for any number of threads and any order of the samples: arithmetic that is not
    independent runs on one thread in a fixed order, and the samples are sorted by their content.

    Args:
        model: its module is changed in place; weights of 16 bits become float32 block by block.
        sample: calibration sample with the inputs of the model.
        recipe: an entry of `aq` in params.yaml; without algorithms it rounds to nearest.
        progress: called with layers done, layers in all, and the path of the layer or block.
        resume: folder for finished blocks, named by a digest of all of the above: a second call with the same
            folder goes on behind them, and their weights are mapped from there instead of held in memory.

    Raises:
        ConfigError: unknown algorithms or options, a pattern that matches no layer, a device that is not there.
        InputError: the sample is empty or of other inputs; a layer's weights or inputs are not finite, nothing
            goes through it, or its rows are shorter than its group (see `on_failure` of the recipe); a layout of
            `checkpoint` cannot hold a layer.
    """
    with one_thread(), bounded(), ExitStack() as stack:
        folder = resume
        if folder is None and recipe.activations == "disk":
            folder = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="edgewright-aq-")))
        return _Run(model, sample, recipe, progress, folder).quantize()


class _Run:
    """One call of `quantize`."""

    def __init__(
        self, model: LoadedModel, sample: Sample, recipe: AqRecipe, progress: Progress, folder: Path | None
    ) -> None:
        self.model, self.recipe, self.folder = model.module, recipe, folder
        self.device = devices.choose(recipe.device)
        selection = select(self.model, recipe)
        layers, self.embeddings = selection.layers, selection.embeddings
        checkpoint.check(model, (*layers, *self.embeddings), recipe.checkpoint)
        self.layers: dict[str, Layer] = {layer.name: layer for layer in layers}
        algorithms = Algorithms(recipe.options)
        first, _ = split(recipe.algorithms)
        self.transforms = {name: algorithms.transform(name) for name in _ordered(layers, slice(0, -1), first)}
        self.rounders = {name: algorithms.rounder(name) for name in _ordered(layers, slice(-1, None))}
        algorithms.check_used()
        kind = self.kind
        self.batches = batches(sample, torch.float32 if kind in _HALF else kind)
        self.only_measures = not self.wanted(layers) and not self.is_sequential
        if self.only_measures:
            self.batches = self.batches[:1]
        self.recorder = Recorder(selection, self.transforms, recipe.on_failure, progress)
        self.store = None if folder is None else Store(folder)

    def quantize(self) -> QuantizedModel:
        if any(item.scope == "model" for item in self.transforms.values()):
            self.widen(self.model)
            self.recorder.begin()
            transform(self.block("", self.structure(), self.run_model), self.transforms, self.recorder, "model")
        blocks = find_blocks(self.model, self.first)
        self.left = self.structure()
        if self.only_measures:
            # Nobody learns from the sample: what gives the layers the inputs that their errors are measured on will do.
            samples = -(-INPUTS // max(1, self.left.vectors))
            self.batches = [tuple(value[:samples] for value in self.batches[0])]
        if blocks is None:
            self.widen(self.model)
            self.model.to(self.device)
            block = self.block("", self.left, self.run_model)
            if self.needs_targets:
                block.targets = self.held(ordered_map(self.run_model, range(len(self.batches))), "targets")
            self.finish(block)
            self.model.cpu()
        else:
            self.stream(blocks)
        self.recorder.begin()
        for layer in self.embeddings:
            round_embedding(self.model, layer, self.recorder)
        return self.recorder.result(self.model, devices.describe(self.device))

    def stream(self, blocks: Blocks) -> None:
        parts = [self.model.get_submodule(name) for name in blocks.names]
        self.widen(self.model, parts)
        stream = Stream(self.model, blocks, self.batches, self.held((), "first"))
        floats: Sequence[Tensor] | None = self.held(stream.hidden, "first-float") if self.needs_targets else None
        done = 0 if self.store is None else min(self.store.finished(), len(parts))
        for index, name in enumerate(blocks.names[:done]):
            self.restore(index, name)
        if done:
            stream.hidden, floats = self.behind(done - 1, floats)
        for index, name in list(enumerate(blocks.names))[done:]:
            self.widen(parts[index])
            parts[index].to(self.device)
            floats = self.stream_block(stream, index, name, floats)
            self.model.get_submodule(name).cpu()
            release()
            if self.store is not None:
                self.keep(stream, index, name, floats)
                if self.recipe.activations == "disk":
                    stream.hidden, floats = self.behind(index, floats)
        if self.layers:
            inside = tuple(f"{name}." for name in blocks.names)
            rest = self.left.within(lambda path: not path.startswith(inside))
            with stream.passed_over():
                block = self.block("", rest, stream.run_rest)
                if floats is not None:
                    reached, stream.hidden = stream.hidden, floats
                    block.targets = self.held(ordered_map(stream.run_rest, range(len(self.batches))), "targets")
                    stream.hidden = reached
                self.finish(block)

    def stream_block(
        self, stream: Stream, index: int, name: str, floats: Sequence[Tensor] | None
    ) -> Sequence[Tensor] | None:
        """Quantize a block and move the stream past it; `floats` is the float model's stream where it is kept too."""

        def run(batch: int, rows: Tensor | None = None) -> Tensor:
            return stream.run(index, batch, stream.hidden[batch], rows)

        inside = f"{name}."
        block = self.block(name, self.left.within(lambda path: path.startswith(inside)), run)
        # What is known of a finished block would keep its float weights alive.
        self.left = self.left.within(lambda path: not path.startswith(inside))
        place = f"behind-{index % 2}"
        if not self.is_sequential:
            outputs = self.held((), place)
            self.finish(block, outputs)
            stream.hidden = outputs
            return None
        inputs = floats
        if inputs is not None:
            behind = ordered_map(lambda batch: stream.run(index, batch, inputs[batch]), range(len(self.batches)))
            floats = block.targets = self.held(behind, f"float-{place}")
        self.finish(block)
        stream.hidden = self.held(ordered_map(run, range(len(self.batches))), place)
        return floats

    def restore(self, index: int, name: str) -> None:
        assert self.store is not None
        self.left = self.left.within(lambda path: not path.startswith(f"{name}."))
        formats, record = self.store.restore(index, name, self.model)
        for layer in [layer for layer in self.layers if layer.startswith(f"{name}.")]:
            del self.layers[layer]
        self.recorder.restore(formats, record, name)

    def behind(self, index: int, floats: Sequence[Tensor] | None) -> tuple[Sequence[Tensor], Sequence[Tensor] | None]:
        """The stored streams behind block `index`, the float one where there is one."""
        assert self.store is not None
        held = [self.store.stream(index, name) for name in STREAMS]
        hidden, stored = held if self.recipe.activations == "disk" else [self.held(item, None) for item in held]
        return hidden, None if floats is None else stored

    def keep(self, stream: Stream, index: int, name: str, floats: Sequence[Tensor] | None) -> None:
        assert self.store is not None
        streams = [stream.hidden, *([] if floats is None else [floats])]
        formats, record = self.recorder.last()
        self.store.save(index, name, self.model, formats, record, streams)

    def finish(self, block: Block, outputs: Activations | None = None) -> None:
        """Transform and round the layers of a block; `outputs` takes what it gives before that."""
        self.recorder.begin()
        finish(block, self.transforms, self.rounders, self.recorder, outputs)
        for name in [name for name in self.layers if name.startswith(f"{block.name}." if block.name else "")]:
            del self.layers[name]

    def block(self, name: str, structure: Structure, run: Run) -> Block:
        inside = f"{name}." if name else ""
        present = {key: layer for key, layer in self.layers.items() if key.startswith(inside)}
        called = [present[item] for item in structure.order if item in present]
        never = [layer for key, layer in present.items() if key not in structure.order]
        advance = partial(self.recorder.advance, name, len(present))
        wanted = self.wanted(present.values())
        return Block(name, self.model, [*called, *never], structure, run, len(self.batches), wanted, advance)

    def wanted(self, layers: Iterable[Layer]) -> frozenset[Statistic]:
        """The statistics that the algorithms read of layers; the clipping search takes the Hessian."""
        users: list[Transform | Rounder] = [*self.transforms.values(), *self.rounders.values()]
        clip = {Statistic.HESSIAN} if any(layer.clip for layer in layers) else set()
        return frozenset(clip).union(*(user.statistics for user in users))

    def held(self, tensors: Iterable[Tensor], place: str | None) -> Activations:
        """Activations where the recipe wants them."""
        on_disk = self.recipe.activations == "disk" and self.folder is not None
        folder = self.folder / "waiting" / place if on_disk and self.folder is not None and place is not None else None
        return Activations(tensors, folder)

    def widen(self, module: nn.Module, but: Sequence[nn.Module] = ()) -> None:
        """Turn weights of 16 bits into float32, in all of `module` but the modules `but`."""
        left = {id(tensor) for part in but for tensor in (*part.parameters(), *part.buffers())}
        for tensor in (*module.parameters(), *module.buffers()):
            if tensor.dtype in _HALF and id(tensor) not in left:
                tensor.data = tensor.data.float()

    def structure(self) -> Structure:
        return trace(self.model, lambda: self.model(*self.first))

    @property
    def kind(self) -> torch.dtype:
        return next((value.dtype for value in self.model.parameters()), torch.float32)

    @property
    def first(self) -> Batch:
        """One sample, in the data type that the weights have now."""
        kind = self.kind
        values = (value[:1] for value in self.batches[0])
        return tuple(value.to(kind) if value.is_floating_point() else value for value in values)

    @property
    def needs_targets(self) -> bool:
        return any(rounder.targets for rounder in self.rounders.values())

    @property
    def is_sequential(self) -> bool:
        return any(rounder.quantized_inputs for rounder in self.rounders.values())

    def run_model(self, batch: int, rows: Tensor | None = None) -> Tensor:
        inputs = self.batches[batch] if rows is None else [value[rows] for value in self.batches[batch]]
        device = next((value.device for value in self.model.parameters()), self.device)
        return cast(Tensor, self.model(*(value.to(device) for value in inputs)))


def _ordered(layers: Sequence[Layer], part: slice, first: Sequence[str] = ()) -> tuple[str, ...]:
    """Names of the algorithms of layers, those of `first` in its order and before the others."""
    used = dict.fromkeys(name for layer in layers for name in layer.algorithms[part])
    return (*(name for name in first if name in used), *(name for name in used if name not in first))
