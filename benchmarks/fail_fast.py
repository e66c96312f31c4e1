"""Every scheme that a target cannot do, refused by the command before any compute: `make bench-fail-fast`.

For each target and each of 61 schemes whose refusal is known from the capability map, `edgewright validate` runs in a
process of its own on a workspace with that one variant: it must end with code 2 and one line that names the scheme, the
line of the map and the nearest legal schemes, in less than two seconds from the start of the process.
"""

import argparse
import itertools
import os
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import yaml

from benchmarks import workspace
from edgewright import targets
from edgewright.config import GqScheme
from edgewright.errors import ConfigError
from tests.support import search_path

SECONDS = 2.0
_SYMMETRIES: Mapping[str, dict[str, bool]] = {
    "symmetric": {}, "asymmetric": {"symmetric": False}, "power-of-two": {"power_of_two": True},
}  # fmt: skip
_STATIC = {"w8a8": (8, 8), "w8a16": (8, 16), "w4a8": (4, 8), "w16a16": (16, 16)}
_OTHER = {"w8a8-dynamic": 8, "w4a8-dynamic": 4, "w8": 8, "w4": 4}


def schemes() -> Iterator[tuple[str, dict[str, Any]]]:
    """Name and YAML of every scheme."""
    for name, granularity, (symmetry, keys) in itertools.product(
        (*_STATIC, *_OTHER), ("tensor", "channel", "group"), _SYMMETRIES.items()
    ):
        bits, activation_bits = _STATIC.get(name) or (_OTHER[name], 8)
        group = {"group": 32} if granularity == "group" else {}
        scheme: dict[str, Any] = {"weights": {"bits": bits, "granularity": granularity, **group, **keys}}
        if name in _STATIC:
            if granularity == "group":
                continue
            scheme["activations"] = {"bits": activation_bits, **keys}
        elif name.endswith("dynamic"):
            scheme["activations"] = {"mode": "dynamic", "symmetric": symmetry != "asymmetric"}
        yield f"{name}-{granularity}-{symmetry}", scheme
    yield "float16", {"dtype": "float16"}


def refused(names: list[str]) -> Iterator[tuple[str, str, dict[str, Any]]]:
    """Target, scheme's name and scheme of each pair that does not fit."""
    for target in names:
        device = targets.load(target)
        for name, scheme in schemes():
            try:
                targets.check_scheme(device, GqScheme.model_validate(scheme), f"gq.{name}")
            except ConfigError:
                yield target, name, scheme


def main() -> int:
    """Try all, print the slowest and what is wrong."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--target", nargs="+", default=targets.names(), help="all if absent")
    parser.add_argument("--every", type=int, default=1, help="of the refused pairs each n-th")
    options = parser.parse_args()
    pairs = list(refused(options.target))[:: options.every]
    folder = workspace.make(workspace.HOME / "fail-fast")
    # One at a time would leave a core idle; two on two cores do not slow each other.
    with ThreadPoolExecutor(max(1, (os.cpu_count() or 2) // 2)) as pool:
        found = list(pool.map(lambda pair: _tried(folder, *pair), pairs))
    slowest = max(found, key=lambda item: item[1])
    for (target, name, _), (wrong, _) in zip(pairs, found, strict=True):
        if wrong:
            print(f"WRONG {name} on {target}: {wrong}")
    print(f"{len(pairs)} pairs of scheme and target refused; the slowest took {slowest[1]:.2f} s of {SECONDS:.0f} s, "
          f"the median {sorted(seconds for _, seconds in found)[len(found) // 2]:.2f} s")
    return 1 if any(wrong for wrong, _ in found) else 0


def _tried(folder: Path, target: str, name: str, scheme: dict[str, Any]) -> tuple[str, float]:
    """What is wrong with the refusal, empty if nothing is, and its seconds."""
    own = folder / ".edgewright" / f"{target}-{name}"
    own.mkdir(parents=True, exist_ok=True)
    params = yaml.safe_load((folder / "params.yaml").read_text())
    params["gq"] = {"none": {}, name: scheme}
    params["variants"] = [{"model": "resnet8", "gq": name, "target": target}]
    path = own / "params.yaml"
    path.write_text(yaml.safe_dump(params))
    for item in ("data", "dvc.yaml", ".dvc", ".git", "pyproject.toml"):
        if (folder / item).exists() and not (own / item).exists():
            (own / item).symlink_to(folder / item)
    environment = {**os.environ, "PATH": search_path()}
    start = time.perf_counter()
    done = subprocess.run(["edgewright", "validate"], cwd=own, env=environment, capture_output=True, text=True,
                          check=False)
    seconds = time.perf_counter() - start
    lines = [line for line in done.stderr.splitlines() if line.strip()]
    if done.returncode != 2:
        return f"exit code {done.returncode}: {' '.join(lines)[:300]}", seconds
    if len(lines) != 1 or name not in lines[0] or "nearest" not in lines[0] or f"{target}.yaml" not in lines[0]:
        return f"not one line with scheme, map and nearest: {lines}", seconds
    return ("" if seconds < SECONDS else f"{seconds:.2f} s"), seconds


if __name__ == "__main__":
    sys.exit(main())
