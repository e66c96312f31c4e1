"""Watch what goes into Linear and Conv2d modules while a model runs."""

from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack, contextmanager
from typing import Any, cast

from torch import Tensor, nn

from edgewright.models.rotated import RotatedLinear

Watch = Callable[[str, Tensor], None]


def _ignore(name: str, value: Tensor) -> None:
    pass


@contextmanager
def observed(modules: Mapping[str, nn.Module], before: Watch, after: Watch = _ignore) -> Iterator[None]:
    """Call `before(name, input)` and `after(name, output)` around each multiplication by the weight of a module.

    A Conv2d of a derived class may pad in its own forward, and a RotatedLinear rotates there: both are watched behind
    that.
    """
    with ExitStack() as stack:
        for name, module in modules.items():
            method = "_conv_forward" if isinstance(module, nn.Conv2d) else "forward"
            method = "multiply" if isinstance(module, RotatedLinear) else method
            setattr(module, method, _wrapped(name, getattr(module, method), before, after))
            stack.callback(delattr, module, method)
        yield


def _wrapped(name: str, run: Callable[..., Any], before: Watch, after: Watch) -> Callable[..., Any]:
    def watched(*args: Any, **kwargs: Any) -> Tensor:
        before(name, args[0] if args else kwargs["input"])
        output = cast(Tensor, run(*args, **kwargs))
        after(name, output)
        return output

    return watched


def patches(module: nn.Module, x: Tensor) -> Tensor:
    """The vectors that the rows of the weight matrix multiply: [weight groups, tokens, columns].

    A Linear has one weight group and its tokens are all leading dimensions of x [..., in]. A Conv2d has its
    `groups`; its tokens are the output positions of x [batch, in, height, width] and its columns the
    flattened kernel [in / groups * kernel height * kernel width].
    """
    if not isinstance(module, nn.Conv2d):
        return x.reshape(1, -1, x.shape[-1])
    mode = "constant" if module.padding_mode == "zeros" else module.padding_mode
    padded = nn.functional.pad(x, module._reversed_padding_repeated_twice, mode=mode)
    columns = nn.functional.unfold(padded, module.kernel_size, module.dilation, 0, module.stride)
    split = columns.reshape(x.shape[0], module.groups, -1, columns.shape[-1])
    return split.permute(1, 0, 3, 2).reshape(module.groups, -1, split.shape[2])


def channels(module: nn.Module, x: Tensor) -> Tensor:
    """The input as [tokens, input channels]: positions of an image are tokens."""
    return x.movedim(1, -1).flatten(0, -2) if isinstance(module, nn.Conv2d) else x.flatten(0, -2)
