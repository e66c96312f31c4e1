"""Vela's estimates of a TOSA network on an Ethos-U."""

import contextlib
import csv
import io
import tempfile
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from edgewright.errors import InputError

_NAME = "out"


@dataclass(frozen=True, slots=True)
class Layer:
    """One operator of Vela's per-layer table: TOSA name and operator, and its cycles."""

    name: str
    operator: str
    cycles: int


@dataclass(frozen=True, slots=True)
class Estimate:
    """Vela's internal compiler estimates of one network: cycles, bytes, milliseconds at `clock_hz`."""

    cycles: int
    sram_bytes: int
    flash_bytes: int
    latency_ms: float
    clock_hz: float
    layers: tuple[Layer, ...]


def flags(options: Mapping[str, str]) -> list[str]:
    """Vela's options that a target's `options` ask for, besides what ExecuTorch's compile spec adds."""
    return [f"--optimise={options['optimise']}"] if "optimise" in options else []


def estimate(network: Path, options: Mapping[str, str]) -> Estimate:
    """Compile one `.tosa` file with Vela and read its tables.

    Raises:
        InputError: Vela does not compile the network.
    """
    from ethosu.vela import vela

    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        source = folder / f"{_NAME}.tosa"
        source.write_bytes(network.read_bytes())
        arguments = [
            *flags(options),
            f"--accelerator-config={options['accelerator']}",
            "--config=Arm/vela.ini",
            f"--system-config={options['system_config']}",
            f"--memory-mode={options['memory_mode']}",
            "--output-format=raw",
            "--verbose-performance",
            f"--output-dir={folder}",
            str(source),
        ]
        with contextlib.redirect_stdout(io.StringIO()) as text:
            vela.main(arguments)
        summary = next(iter(folder.glob(f"{_NAME}_summary_*.csv")), None)
        if summary is None:
            raise InputError(f"{network.name}: Vela wrote no summary: {text.getvalue().strip()[-200:]}")
        layers = folder / f"{_NAME}_per-layer.csv"
        return _read(summary, layers)


def _read(summary: Path, layers: Path) -> Estimate:
    (row,) = _rows(summary)
    return Estimate(
        cycles=int(float(row["cycles_total"])),
        sram_bytes=int(float(row["sram_memory_used"]) * 1024),
        flash_bytes=int(float(row["off_chip_flash_memory_used"]) * 1024)
        + int(float(row["on_chip_flash_memory_used"]) * 1024),
        latency_ms=float(row["inference_time"]) * 1e3,
        clock_hz=float(row["core_clock"]),
        layers=tuple(
            Layer(item["Name"], item["NNG Operator"], int(float(item["NPU"]))) for item in _rows(layers)
        ),
    )


def _rows(file: Path) -> list[dict[str, str]]:
    with file.open(encoding="utf-8", newline="") as stream:
        return [{key.strip(): value for key, value in row.items() if key} for row in csv.DictReader(stream)]
