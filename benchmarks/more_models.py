"""Build ResNet-20, ToyCar and stories260k, which are not in the default, and ResNet-8, which is; judge the classifiers.

    make bench-models
"""

import sys
from collections import Counter
from pathlib import Path
from typing import Any

from benchmarks import workspace
from edgewright.files import read_json

CLASSIFIERS = ("resnet8", "resnet20")
TARGETS = ("xnnpack", "onnxruntime", "ethos-u85-256")
MOST_DROP = 0.5
BORDER = {"quantize_per_tensor", "dequantize_per_tensor"}


def main() -> int:
    """Build, print the table, and what of it is not as the README says."""
    folder = workspace.make(workspace.HOME / "more-models", with_cache=True)
    (folder / "params.yaml").write_bytes((workspace.ROOT / "benchmarks/more_models.yaml").read_bytes())
    workspace.call(["edgewright", "run"], folder, show=True)
    wrong = judge(folder)
    for line in wrong:
        print(f"WRONG {line}")
    return 1 if wrong else 0


def judge(folder: Path) -> list[str]:
    """A line for each classifier that a target lacks, that loses too much top-1, or that leaves work to the host.

    On an Ethos-U the quantization at the border may be left, elsewhere nothing.
    """
    variants = {(item["model"], item["target"]): item for item in read_json(folder / "reports/report.json")["variants"]}
    lines = []
    for name in CLASSIFIERS:
        for target in TARGETS:
            variant: dict[str, Any] | None = variants.get((name, target))
            if variant is None or variant["artifact"] is None:
                lines.append(f"{name} on {target}: not built")
                continue
            metric = variant["metric"]
            drop = metric["float"] - metric["compiled"]
            if not (metric["name"] == "top1" and drop < MOST_DROP):
                lines.append(f"{name} on {target}: {metric['name']} drops by {drop:.2f}, not less than {MOST_DROP}")
            manifest = read_json((folder / variant["artifact"]["path"]).with_name("manifest.json"))
            left = Counter(item["operator"] for item in manifest["not_delegated"])
            allowed = BORDER if target == "ethos-u85-256" else set()
            lines += [f"{name} on {target}: {count} {op} not delegated" for op, count in left.items()
                      if op not in allowed]
    return lines


if __name__ == "__main__":
    sys.exit(main())
