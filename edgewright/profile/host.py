"""The machine that a measurement was made on."""

import os
import platform
from pathlib import Path


def describe() -> dict[str, str | int]:
    """Processor name, architecture, logical processors this process may use, and operating system."""
    return {
        "processor": _processor(),
        "architecture": platform.machine(),
        "processors": len(os.sched_getaffinity(0)),
        "system": f"{platform.system()} {platform.release()}",
    }


def _processor() -> str:
    try:
        lines = Path("/proc/cpuinfo").read_text(encoding="utf-8").splitlines()
    except OSError:
        return platform.processor() or "unknown"
    names = (line.partition(":")[2].strip() for line in lines if line.startswith(("model name", "Hardware")))
    return next(names, platform.processor() or "unknown")
