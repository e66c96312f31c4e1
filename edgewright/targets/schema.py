"""A target: the capability map of a device and its toolchain, declared once as data."""

from collections.abc import Mapping
from typing import Literal

from pydantic import BaseModel, ConfigDict, Field, PositiveInt

Granularity = Literal["tensor", "channel", "group"]


class Entry(BaseModel):
    """A mapping of a target file: immutable, and an unknown key is an error."""

    model_config = ConfigDict(frozen=True, extra="forbid")


class KernelWeights(Entry):
    """Integer weights that a kernel takes.

    `symmetric`: the zero points must be 0. `group_multiple`: the group size must be a multiple of it.
    `power_of_two`: the scales must be powers of two.
    """

    bits: Literal[2, 4, 8, 16]
    granularity: Granularity
    symmetric: bool = True
    group_multiple: PositiveInt | None = None
    power_of_two: bool = False


class KernelActivations(Entry):
    """Integer activations that a kernel takes.

    `static` parameters are constants of the program, per tensor; `dynamic` ones are chosen at run time,
    per token, or per group of a token's columns, where `granularity` says so. `dtype` is what the device stores:
    programs carry int8 or int16, the adapter of a uint8 device shifts them by 128, which is exact. `dtype` and
    `granularity` are for people.
    `power_of_two`: the scales must be powers of two. `unsigned`: the zero point may also be the lowest integer of the
    program, which the device stores as unsigned integers: tensors without negative values then use all of them.
    """

    bits: Literal[8, 16]
    mode: Literal["static", "dynamic"]
    dtype: Literal["int8", "uint8", "int16", "uint16"] = "int8"
    symmetric: bool = False
    unsigned: bool = False
    power_of_two: bool = False
    granularity: Literal["tensor", "token", "group"] = "tensor"


class Kernel(Entry):
    """One quantized form of an operator; `weights` is null for an operator without weights.

    `bias` is what the device adds to the accumulator. The program's bias stays float: the adapter rounds it to steps of
    (input scale x weight scale), and scales are chosen so that it fits.
    `steps` is how far the device's result may lie from the program's, in quantization steps of the output: the probe
    holds it to that.
    """

    name: str
    weights: KernelWeights | None = None
    activations: KernelActivations | None = None
    bias: Literal["float", "int16", "int24", "int32", "int48"] = "float"
    steps: float = 2.0

    def __str__(self) -> str:
        parts = []
        if self.weights is not None:
            per = {"tensor": "per tensor", "channel": "per channel", "group": "in groups"}
            symmetry = "" if self.weights.symmetric else "symmetric or asymmetric "
            scales = " with power-of-two scales" if self.weights.power_of_two else ""
            parts.append(f"{symmetry}{self.weights.bits}-bit weights {per[self.weights.granularity]}{scales}")
        if self.activations is not None:
            symmetry = "symmetric " if self.activations.symmetric else ""
            scales = " with power-of-two scales" if self.activations.power_of_two else ""
            parts.append(f"{self.activations.mode} {symmetry}{self.activations.bits}-bit activations{scales}")
        return f"{self.name} ({', '.join(parts)})"


class Channels(Entry):
    """Channels of an operator with a weight that a device takes.

    Attributes:
        inputs, outputs: the count must be a multiple of it.
        also: input counts that are taken all the same, where the operator has one group.
        groups: `any`, or `depthwise`: one group, or as many groups as inputs and outputs.
    """

    inputs: PositiveInt = 1
    outputs: PositiveInt = 1
    also: tuple[PositiveInt, ...] = ()
    groups: Literal["any", "depthwise"] = "any"

    def __str__(self) -> str:
        also = "".join(f" or {count}" for count in self.also)
        parts = [f"inputs a multiple of {self.inputs}{also}"] if self.inputs > 1 else []
        parts += [f"outputs a multiple of {self.outputs}"] if self.outputs > 1 else []
        return ", ".join([*parts, *(["one group or depthwise"] if self.groups == "depthwise" else [])])

    def refusal(self, inputs: int, outputs: int, groups: int = 1) -> str | None:
        """Why an operator with these counts is not taken, or None where it is."""
        if self.groups == "depthwise" and groups > 1 and not inputs == outputs == groups:
            return f"its {groups} groups are neither one nor one a channel"
        if inputs % self.inputs and not (groups == 1 and inputs in self.also):
            also = "".join(f" nor {count}" for count in self.also)
            return f"its {inputs} input channels are not a multiple of {self.inputs}{also}"
        if outputs % self.outputs:
            return f"its {outputs} output channels are not a multiple of {self.outputs}"
        return None


class Bounds(Entry):
    """What an operator of a program must keep to, or it stays float; null is no bound.

    Attributes:
        stride: largest stride of a convolution or pool.
        padded_stride: largest stride where it pads or dilates.
        padded_window: largest side of the window of a pool that pads by what it leaves out of the mean.
        scales: factors of an upsampling, the same in each dimension.
        channels: of an operator with a weight.
    """

    stride: PositiveInt | None = None
    padded_stride: PositiveInt | None = None
    padded_window: PositiveInt | None = None
    scales: tuple[PositiveInt, ...] | None = None
    channels: Channels | None = None


class Operator(Entry):
    """What the device does with one ATen operator (base name, without overload).

    Attributes:
        runs_float: the device runs it on float tensors (`float` in the file).
        quantized: the quantized forms that it has, preferred first.
        output: `shared` when a quantized output has the parameters of the input (data is only moved or
            compared), `own` when it has its own.
        fuses: operators that run inside this one when they are its only user: no Q/DQ between.
        absorbs: operators that run inside this one when they alone produce its first input and have no other
            user: no Q/DQ between, the quantized input is theirs.
        bounds: what a call of it must keep to; one that does not stays float, with that reason.
        ulps: how far a result that is computed in float may lie from the program's, in units of 2^-23 of the largest
            output: the probe holds it to that.
        limit: for people, what the operator must look like for the device to take it; empty if anything goes.
    """

    runs_float: bool = Field(False, alias="float")
    quantized: tuple[Kernel, ...] = ()
    output: Literal["own", "shared"] = "own"
    fuses: tuple[str, ...] = ()
    absorbs: tuple[str, ...] = ()
    bounds: Bounds = Bounds()
    ulps: float = 4.0
    limit: str = ""


class Target(Entry):
    """A device and its toolchain.

    Attributes:
        name: name of the file.
        toolchain: module of `edgewright.targets.adapters` that compiles for it.
        float_build: a float program can be compiled, and is the baseline of ratios.
        float16: what stays float can run in half precision.
        estimate: latency and memory are the compiler's estimates; the artifact is simulated, not run.
        stand_in: the artifact runs here in another runtime than the device's; nothing is known of its latency there.
        prefers: which of several equal spellings the device runs best, by construct (read by `go`).
        options: settings of the toolchain.
        operators: ATen base name to what the device does with it; an operator that is absent runs on the host.
    """

    name: str
    toolchain: str
    description: str
    float_build: bool
    float16: bool = False
    estimate: bool = False
    stand_in: bool = False
    prefers: Mapping[str, str] = {}
    options: Mapping[str, str] = {}
    operators: Mapping[str, Operator]

    def operator(self, op: str) -> Operator | None:
        """Entry of an operator by ATen base name, or None when the device does not run it."""
        return self.operators.get(op)

    def supports(self, op: str) -> bool:
        """Whether the device runs this ATen operator, in float or in a quantized form."""
        return op in self.operators
