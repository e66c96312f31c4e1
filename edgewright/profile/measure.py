"""The content of profile.json: what an artifact costs on this machine, or by its compiler's estimate."""

from dataclasses import asdict
from pathlib import Path
from typing import Any

from numpy.typing import NDArray

from edgewright import targets
from edgewright.profile.host import describe
from edgewright.profile.latency import compare
from edgewright.profile.lock import exclusive
from edgewright.profile.memory import peak_memory
from edgewright.targets import Target
from edgewright.targets.manifest import load

_SCHEMA = 1


def measure(
    folder: Path,
    float_folder: Path | None,
    target: Target,
    inputs: tuple[NDArray[Any], ...],
    *,
    threads: int,
    runs: int,
    warmup: int,
) -> dict[str, Any]:
    """Profile an artifact, in turns with the float build of the same model where there is one.

    Args:
        folder: the compiled artifact with its manifest.
        float_folder: the float build on the same target, or None.
        inputs: one batch.
        threads: threads of the runtime.
        runs: timed runs of each build, after `warmup` runs.

    Returns:
        The fields of profile.json. On an estimated target nothing runs: cycles, bytes and latency are its
        compiler's internal estimates, and `threads`, `runs` and `host` are null. Where another runtime stands in for
        the device, latency, memory and operators are null or empty, and `stand_in` holds that runtime's: latency_ms
        and operators.
    """
    adapter = targets.adapter(target)
    name, package = adapter.SOURCE
    source = f"{name} {load(folder)['versions'][package]}"
    if target.estimate:
        return _estimated(adapter.estimate(folder), source)
    with exclusive():
        run = adapter.session(folder, target, threads)
        run_float = adapter.session(float_folder, target, threads) if float_folder is not None else None
        compiled, baseline = compare(
            lambda: run(inputs),
            (lambda: run_float(inputs)) if run_float is not None else None,
            runs=runs,
            warmup=warmup,
        )
        operators = adapter.operator_times(folder, inputs, threads=threads, runs=runs)
        measured = (folder, float_folder) if not target.stand_in else (None, None)
        peaks = [peak_memory(item, target, inputs, threads=threads) if item else None for item in measured]
        memory = dict(zip(("compiled", "float"), peaks, strict=True))
    if target.stand_in:
        return _without_device(asdict(compiled), operators, source, threads, runs)
    return {
        "schema": _SCHEMA,
        "estimate": False,
        "source": f"{source} on this machine",
        "threads": threads,
        "runs": runs,
        "host": describe(),
        "latency_ms": {"compiled": asdict(compiled), "float": asdict(baseline) if baseline else None},
        "memory_bytes": memory,
        "cycles": None,
        "sram_bytes": None,
        "flash_bytes": None,
        "operators": operators,
    }


def _without_device(
    latency: dict[str, float], operators: list[dict[str, str | float]], source: str, threads: int, runs: int
) -> dict[str, Any]:
    """Nothing is known of the device: the runtime that stands in for it says what it took itself, in its own place."""
    return {
        "schema": _SCHEMA,
        "estimate": False,
        "source": f"the device's is not known; {source} executes the artifact here in {latency['median']:.2f} ms",
        "threads": threads,
        "runs": runs,
        "host": describe(),
        "latency_ms": {"compiled": None, "float": None},
        "memory_bytes": {"compiled": None, "float": None},
        "cycles": None,
        "sram_bytes": None,
        "flash_bytes": None,
        "operators": [],
        "stand_in": {"latency_ms": latency, "operators": operators},
    }


def _estimated(found: dict[str, Any], source: str) -> dict[str, Any]:
    clock = found["clock_hz"] / 1e6
    return {
        "schema": _SCHEMA,
        "estimate": True,
        "source": f"{source}, internal compiler estimate at {clock:.0f} MHz",
        "threads": None,
        "runs": None,
        "host": None,
        "latency_ms": {
            "compiled": dict.fromkeys(("median", "p10", "p90"), found["latency_ms"]),
            "float": None,
        },
        "memory_bytes": {"compiled": None, "float": None},
        "cycles": found["cycles"],
        "sram_bytes": found["sram_bytes"],
        "flash_bytes": found["flash_bytes"],
        "operators": found["operators"],
    }
