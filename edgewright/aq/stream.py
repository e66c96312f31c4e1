"""Run a model block by block, the activations of one block at a time."""

import threading
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import dataclass
from functools import partial
from itertools import chain
from typing import Any, cast

import torch
from torch import Tensor, nn
from torch.utils._pytree import tree_flatten, tree_leaves, tree_map, tree_unflatten

from edgewright.aq.activations import Activations

Batch = tuple[Tensor, ...]
Stub = Callable[[int, tuple[Any, ...], dict[str, Any]], Any]


class _Stop(Exception):
    """Raised to leave a forward pass whose rest is not needed."""


@dataclass(frozen=True, slots=True)
class Blocks:
    """A model's sequential blocks.

    Attributes:
        names: their paths, in order.
        outputs: what each returns, a marker in the place of the hidden state and None in that of other tensors.
    """

    names: tuple[str, ...]
    outputs: tuple[Any, ...]


def find_blocks(model: nn.Module, batch: Batch) -> Blocks | None:
    """The model's sequential blocks, or None where it has no such form.

    Blocks are the children of a ModuleList that have one class, are called once each, in order, and pass a
    tensor on: the first tensor that a child gets is the first that the one before it returned, and nothing
    else of the model needs what the blocks but the last return. Of several such lists the one with the most
    parameters is taken.
    """
    lists = [
        (name, module)
        for name, module in model.named_modules()
        if isinstance(module, nn.ModuleList) and len(module) > 1 and len({type(child) for child in module}) == 1
        and not isinstance(module[0], (nn.Linear, nn.Conv2d))
    ]
    lists.sort(key=lambda item: -sum(parameter.numel() for parameter in item[1].parameters()))
    for name, module in lists:
        outputs = _sequential_outputs(model, list(module), batch)
        if outputs is not None:
            return Blocks(tuple(f"{name}.{index}" for index in range(len(module))), outputs)
    return None


def _sequential_outputs(model: nn.Module, blocks: Sequence[nn.Module], batch: Batch) -> tuple[Any, ...] | None:
    """What the blocks return, if they are called once each, in order, and pass one tensor on.

    Of what passes between them no more is kept than the last tensor: memory must not grow with the number of blocks.
    """
    called: list[int] = []
    rests: list[Any] = []
    outputs: list[Any] = []
    last: Tensor | None = None
    is_chain, version = True, 0
    with ExitStack() as stack:
        for index, block in enumerate(blocks):

            def enter(_: nn.Module, args: Any, kwargs: Any) -> None:
                nonlocal is_chain
                hidden = _first((args, kwargs))
                # What is written into between two blocks is the same tensor, and another value.
                is_passed_on = not called or (hidden is last and hidden is not None and hidden._version == version)
                is_chain = is_chain and hidden is not None and is_passed_on

            def note(_: nn.Module, args: Any, kwargs: Any, output: Any, index: int = index) -> None:
                nonlocal last, version
                hidden, last = _first((args, kwargs)), _first(output)
                rests.append(_reused(_emptied((args, kwargs), hidden), rests[-1] if rests else None))
                outputs.append(tree_map(_without_tensors, _emptied(output, last)))
                version = 0 if last is None else last._version
                if len(called) + 1 == len(blocks) and last is not None:
                    last = last.clone()  # what follows may write into it
                called.append(index)

            stack.callback(block.register_forward_pre_hook(enter, with_kwargs=True).remove)
            stack.callback(block.register_forward_hook(note, with_kwargs=True).remove)
        expected = model(*(value.clone() for value in batch))
    if called != list(range(len(blocks))) or not is_chain or last is None:
        return None
    found_rests: list[Any] = []

    def skip(index: int, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
        hidden = _first((args, kwargs))
        found_rests.append(_reused(_emptied((args, kwargs), hidden), rests[index]))
        return _filled(outputs[index], last if index + 1 == len(blocks) else hidden)

    try:
        with _stubbed(blocks, skip):
            found = model(*(value.clone() for value in batch))
    except Exception:  # it cannot do without what a block computes
        return None
    return tuple(outputs) if _is_equal((found, found_rests), (expected, rests)) else None


def _emptied(value: Any, hidden: Tensor | None) -> Any:
    return tree_map(lambda leaf: _HIDDEN if leaf is hidden and hidden is not None else leaf, value)


def _filled(value: Any, hidden: Tensor | None) -> Any:
    # A copy, because a block may write into its input, and to tell it from other arguments with the same values.
    given = None if hidden is None else hidden.clone()
    return tree_map(lambda leaf: given if leaf is _HIDDEN else leaf, value)


def _without_tensors(leaf: Any) -> Any:
    return None if isinstance(leaf, Tensor) else leaf


def _is_equal(one: Any, other: Any) -> bool:
    leaves, others = tree_leaves(one), tree_leaves(other)
    return len(leaves) == len(others) and all(
        torch.equal(leaf, second) if isinstance(leaf, Tensor) and isinstance(second, Tensor)
        else type(leaf) is type(second)
        for leaf, second in zip(leaves, others, strict=True)
    )


def _first(value: Any) -> Tensor | None:
    return next((leaf for leaf in tree_leaves(value) if isinstance(leaf, Tensor) and leaf.is_floating_point()), None)


class Stream:
    """The calibration batches on their way through the blocks of a model.

    Attributes:
        hidden: the input of the next block, by batch; outputs of the last one in the end.
    """

    def __init__(
        self, model: nn.Module, blocks: Blocks, batches: Sequence[Batch], hidden: Activations | None = None
    ) -> None:
        """Find out what each block gets beside the hidden state, without running any block.

        Args:
            model: the whole model.
            blocks: its blocks.
            batches: the calibration batches.
            hidden: empty; takes the input of the first block, batch by batch.
        """
        self.model, self.batches = model, batches
        self.blocks = [model.get_submodule(name) for name in blocks.names]
        held = Activations(()) if hidden is None else hidden
        self.hidden: Sequence[Tensor] = held
        self._outputs = blocks.outputs
        self._current = threading.local()
        first = tuple(value[:1] for value in batches[0])
        single = self._recorded([first], lambda _: None)
        self._calls = self._recorded(batches, held.append)
        # What has another size for a batch of one sample has a row for each sample.
        self._has_rows = [
            [_size(leaf) != _size(one) for leaf, one in zip(tree_leaves(calls[0]), tree_leaves(alone[0]), strict=True)]
            for calls, alone in zip(self._calls, single, strict=True)
        ]

    def _recorded(self, batches: Sequence[Batch], keep: Callable[[Tensor], None]) -> list[list[tuple[Any, Any]]]:
        found: list[list[tuple[Any, Any]]] = [[] for _ in self.blocks]

        def record(index: int, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
            hidden = _first((args, kwargs))
            assert hidden is not None
            if index == 0:
                keep(hidden)
            earlier = found[index][0] if found[index] else found[index - 1][-1] if index else None
            found[index].append(_reused(_emptied((args, kwargs), hidden), earlier))
            if index + 1 == len(self.blocks):
                raise _Stop
            return _filled(self._outputs[index], hidden)

        with _stubbed(self.blocks, record):
            for batch in batches:
                with suppress(_Stop):
                    self.model(*batch)
        return found

    def run(self, index: int, batch: int, hidden: Tensor, rows: Tensor | None = None) -> Tensor:
        """Output of block `index` for `hidden`, the hidden state of a calibration batch, or of `rows` of its samples.

        `hidden` are all rows, also where only some are run.
        """
        call: tuple[Any, Any] = self._calls[index][batch]
        if rows is not None:
            leaves, form = tree_flatten(call)
            chosen = [
                leaf[rows] if has_rows else leaf for leaf, has_rows in zip(leaves, self._has_rows[index], strict=True)
            ]
            call, hidden = tree_unflatten(chosen, form), hidden[rows]
        tensors = chain(self.blocks[index].parameters(), self.blocks[index].buffers())
        device = next((value.device for value in tensors), hidden.device)
        args, kwargs = _filled(tree_map(partial(_moved, device=device), call), hidden.to(device))
        output = _first(self.blocks[index](*args, **kwargs))
        assert output is not None
        return output

    @contextmanager
    def passed_over(self) -> Iterator[None]:
        """Inside, the blocks do not run: the last gives what the stream has reached."""

        def skip(index: int, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
            reached = self._current.hidden if index + 1 == len(self.blocks) else _first((args, kwargs))
            return _filled(self._outputs[index], reached)

        with _stubbed(self.blocks, skip):
            yield

    def run_rest(self, batch: int, rows: Tensor | None = None) -> Tensor:
        """Output of the model for a batch or `rows` of its samples; to be called inside `passed_over`."""
        inputs, hidden = self.batches[batch], self.hidden[batch]
        if rows is not None:
            inputs, hidden = tuple(value[rows] for value in inputs), hidden[rows]
        self._current.hidden = hidden
        return cast(Tensor, self.model(*inputs))


def _size(leaf: Any) -> int | None:
    return leaf.shape[0] if isinstance(leaf, Tensor) and leaf.ndim else None


def _moved(leaf: Any, device: torch.device) -> Any:
    return leaf.to(device) if isinstance(leaf, Tensor) else leaf


_HIDDEN = object()


def _reused(value: Any, earlier: Any) -> Any:
    """`value` with the tensors of `earlier` where they are equal: masks and rotary tables are kept once."""
    if earlier is None:
        return value
    leaves = iter(tree_leaves(earlier))

    def choose(leaf: Any) -> Any:
        other = next(leaves, None)
        is_equal = isinstance(leaf, Tensor) and isinstance(other, Tensor) and torch.equal(leaf, other)
        return other if is_equal else leaf

    return tree_map(choose, value)


@contextmanager
def _stubbed(blocks: Sequence[nn.Module], stub: Stub) -> Iterator[None]:
    with ExitStack() as stack:
        for index, block in enumerate(blocks):

            def forward(*args: Any, index: int = index, **kwargs: Any) -> Any:
                return stub(index, args, kwargs)

            block.forward = forward
            stack.callback(delattr, block, "forward")
        yield
