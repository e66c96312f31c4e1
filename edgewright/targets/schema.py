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
    `power_of_two`: the scales must be powers of two.
    """

    bits: Literal[8, 16]
    mode: Literal["static", "dynamic"]
    dtype: Literal["int8", "uint8", "int16", "uint16"] = "int8"
    symmetric: bool = False
    power_of_two: bool = False
    granularity: Literal["tensor", "token", "group"] = "tensor"


class Kernel(Entry):
    """One quantized form of an operator; `weights` is null for an operator without weights.

    `bias` is what the device adds to the accumulator, for people. The program's bias stays float: where the device
    wants int32, the adapter rounds it to steps of (input scale x weight scale).
    """

    name: str
    weights: KernelWeights | None = None
    activations: KernelActivations | None = None
    bias: Literal["float", "int16", "int24", "int32", "int48"] = "float"

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
        limit: for people, what the operator must look like for the device to take it; empty if anything goes.
    """

    runs_float: bool = Field(False, alias="float")
    quantized: tuple[Kernel, ...] = ()
    output: Literal["own", "shared"] = "own"
    fuses: tuple[str, ...] = ()
    absorbs: tuple[str, ...] = ()
    limit: str = ""


class Target(Entry):
    """A device and its toolchain.

    Attributes:
        name: name of the file.
        toolchain: module of `edgewright.targets.adapters` that compiles for it.
        float_build: a float program can be compiled, and is the baseline of ratios.
        float16: what stays float can run in half precision.
        estimate: latency and memory are the compiler's estimates; the artifact is simulated, not run.
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
    prefers: Mapping[str, str] = {}
    options: Mapping[str, str] = {}
    operators: Mapping[str, Operator]

    def operator(self, op: str) -> Operator | None:
        """Entry of an operator by ATen base name, or None when the device does not run it."""
        return self.operators.get(op)

    def supports(self, op: str) -> bool:
        """Whether the device runs this ATen operator, in float or in a quantized form."""
        return op in self.operators
