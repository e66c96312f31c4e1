"""A workspace of plausible stage outputs, on disk as the stages write them."""

import hashlib
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from edgewright.files import write_json
from edgewright.report import StageFiles, VariantFiles

STAGES = ("float", "aq", "go", "gq", "compile")
LLAMA_BYTES, RESNET_BYTES, TOYCAR_BYTES = 14_689_280, 312_744, 1_071_712


def digest(text: str) -> str:
    return hashlib.sha256(text.encode()).hexdigest()


def metrics(
    name: str, value: float, samples: int, size: int, drift: tuple[float, ...] | None, **more: Any
) -> dict[str, Any]:
    labelled = {"top1": value, "top5": 99.1, "brier": 0.2, "ece": 0.04} if name == "top1" else {name: value}
    return {
        "schema": 1,
        "metric": {"name": name, "value": value, "samples": samples, "reference": None},
        "metrics": {} if name == "logit_mse" else labelled,
        "drift": drift and dict(zip(("snr_db", "logit_mse", "agreement", "samples"), drift, strict=True)),
        "interval": None,
        "size_bytes": size,
        "synthetic": False,
        "runtime": "pytorch",
        "sample_digest": digest("holdout"),
        **more,
    }


def measured(compiled: float, base: float) -> dict[str, Any]:
    spread = [{"median": m, "p10": m * 0.97, "p90": m * 1.06} for m in (compiled, base)]
    return {
        "schema": 1,
        "estimate": False,
        "source": "this machine",
        "threads": 1,
        "runs": 50,
        "host": {"cpu": "x86-64", "cores": 2},
        "latency_ms": {"compiled": spread[0], "float": spread[1]},
        "memory_bytes": {"compiled": 9_400_000, "float": 31_800_000},
        "operators": [
            {"scope": f"layer.{i}.conv", "operator": "conv2d", "time_ms": compiled / (i + 2)} for i in range(12)
        ],
    }


def estimated(milliseconds: float) -> dict[str, Any]:
    return {
        "schema": 1,
        "estimate": True,
        "source": "Vela 5.1, Ethos-U85-256 at 1 GHz",
        "latency_ms": {"compiled": {"median": milliseconds, "p10": None, "p90": None}, "float": None},
        "memory_bytes": {"compiled": None, "float": None},
        "cycles": milliseconds * 1e6,
        "sram_bytes": 53_248,
        "flash_bytes": 91_904,
        "operators": [
            {"scope": f"layer.{i}.conv", "operator": "conv2d", "cycles": 20_000 - 1_000 * i} for i in range(6)
        ],
    }


def manifest(name: str, size: int, toolchain: str) -> dict[str, Any]:
    return {
        "schema": 1,
        "target": toolchain,
        "toolchain": toolchain,
        "artifact": "model.pte",
        "sha256": digest(name),
        "size_bytes": size,
        "delegated": 73,
        "delegates": 1,
        "not_delegated": [
            {"operator": "embedding", "scope": "model.embed_tokens", "reason": "no kernel in the accelerator"}
        ],
        "versions": {"executorch": "1.5.1", "torch": "2.13.0"},
        "memory_bytes": 412_672,
        "inputs": [],
        "outputs": [],
    }


def firings(scopes: list[str]) -> dict[str, Any]:
    return {
        "schema": 1,
        "target": "xnnpack",
        "firings": [
            {
                "rule": "sigmoid-mul-to-silu",
                "class": "real-exact",
                "node": f"silu_{i}",
                "scope": scope,
                "reason": "the target has a kernel",
                "witness": {"samples": 4, "max_abs": 2.4e-7, "bound": 1e-5},
                "rolled_back": False,
            }
            for i, scope in enumerate(scopes)
        ],
        "refused": [{"rule": "linear-to-conv", "node": "linear", "scope": scopes[0], "guard": "no gain"}],
        "operators_before": {"mul": 12, "sigmoid": 4, "linear": 29},
        "operators_after": {"mul": 8, "silu": 4, "linear": 29},
    }


def layers_json(aq: str, scopes: list[str]) -> dict[str, Any]:
    """As aq writes it; every recipe is best somewhere, and the tied head stays float."""
    name, bits = aq.split("-w")
    shift = sum(map(ord, name)) % len(scopes)
    return {
        "schema": 1,
        "modules": [
            {
                "module": scope, "class": "Linear", "bits": int(bits), "group": 32, "symmetric": True,
                "algorithm": name if name in ("rtn", "gptq", "hqq") else f"{name}+rtn", "weight_mse": 3.1e-6,
                "output_mse": 0.1 / (1 + (i + shift) % len(scopes)), "output_snr_db": 14.0 + (i + shift) % len(scopes),
                "rtn_output_mse": 0.12 / (1 + i % len(scopes)),
                "rtn_output_snr_db": 13.0 + i % len(scopes), "zero_channels": 0,
            }
            for i, scope in enumerate(scopes)
        ],
        "skipped": [{"module": "lm_head", "reason": "its weight is tied to model.embed_tokens"}],
        "transforms": {
            "awq": {"layers": 8, "skipped": [{"module": s, "reason": "no producer to scale"} for s in scopes[:2]]}
        } if name == "awq" else {},
    }  # fmt: skip


class Builder:
    """Writes the files of variants below a folder."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.variants: list[VariantFiles] = []

    def write(self, name: str, value: Any) -> Path:
        path = self.folder / name
        write_json(path, value)
        return path

    def variant(
        self,
        model: str,
        aq: str,
        gq: str,
        target: str,
        *,
        metric: str,
        values: tuple[float, ...],
        sizes: tuple[int, int],
        profile: dict[str, Any],
        model_bytes: int,
        drift: tuple[float, ...],
        accept: dict[str, float] | None = None,
        compiled: dict[str, Any] | None = None,
        base_bytes: int | None = None,
        synthetic: bool = False,
        stop: str | None = None,
        failure: str | None = None,
    ) -> VariantFiles:
        name = f"{model}--{aq}--{gq}--{target}"
        samples = 685 if metric == "perplexity" else 2500
        keys = dict(zip(STAGES, (model, f"{model}--{aq}", f"{model}--{aq}--{target}", name, name), strict=True))
        stop_at = STAGES.index(stop) if stop else len(STAGES)
        rows = []
        for index, stage in enumerate(STAGES):
            path = self.folder / f"evaluate/{stage}--{keys[stage]}/metrics.json"
            size = {"float": model_bytes, "compile": sizes[0]}.get(stage, model_bytes if aq == "none" else sizes[0])
            more = {"synthetic": synthetic, **((compiled or {}) if stage == "compile" else {})}
            if index < stop_at:
                write_json(
                    path,
                    metrics(metric, values[index], samples, size, None if index == 0 else drift) | more,
                )
            rows.append(StageFiles(stage, keys[stage], path))
        toolchain = "ethos_u" if target.startswith("ethos") else target
        made = stop_at == len(STAGES)
        scopes = [f"model.layers.{i}.mlp.{p}" for i in range(4) for p in ("down_proj", "up_proj", "gate_proj")]
        if metric != "perplexity":
            scopes = [f"stages.{i}.block.{j}.conv{k}" for i in range(3) for j in (0, 1) for k in (1, 2)]
        missing = self.folder / f"compile/{name}/manifest.json"
        files = VariantFiles(
            name=name,
            model=model,
            aq=aq,
            gq=gq,
            target=target,
            task={"perplexity": "language-modeling", "top1": "image-classification"}.get(metric, "regression"),
            accept=accept or {},
            stages=tuple(rows),
            artifact=f"data/compile/{name}/model.{'onnx' if target == 'onnxruntime' else 'pte'}",
            manifest=self.write(f"compile/{name}/manifest.json", manifest(name, sizes[0], toolchain))
            if made
            else missing,
            profile=self.write(f"profile/{name}/profile.json", profile) if made else self.folder / "profile/none.json",
            float_manifest=None
            if base_bytes is None
            else self.write(
                f"compile/{model}--none--none--{target}/manifest.json", manifest("f", base_bytes, toolchain)
            ),
            layers=None
            if aq == "none"
            else self.write(
                f"aq/{keys['aq']}/layers.json",
                layers_json(aq, scopes),
            ),
            firings=self.write(f"go/{keys['go']}/firings.json", firings(scopes)),
            sensitivity=None
            if gq == "none"
            else self.write(
                f"gq/{name}/sensitivity.json",
                {
                    "modules": [
                        {
                            "scope": s,
                            "operator": "conv2d",
                            "snr_db": 12.5 + 3.1 * i,
                            "mse": 0.5 / (i + 1),
                            "cosine": 0.99,
                        }
                        for i, s in enumerate(scopes)
                    ]
                },
            ),
            lineage={"weights": digest("weights"), "calibration sample": digest("calibration")},
            failure=failure,
        )
        self.variants.append(files)
        return files

    def llama(
        self, aq: str, gq: str, values: tuple[float, ...], size: int, latency: float, **more: Any
    ) -> VariantFiles:
        return self.variant(
            "english-llama", aq, gq, "xnnpack", metric="perplexity", values=values, sizes=(size, 0),
            profile=measured(latency, 38.2), model_bytes=LLAMA_BYTES, base_bytes=14_771_200,
            drift=(21.3, 812.4, 88.7, 64), **more,
        )  # fmt: skip

    def resnet(
        self, gq: str, target: str, values: tuple[float, ...], size: int, profile: dict[str, Any], **more: Any
    ) -> VariantFiles:
        base = None if target.startswith("ethos") else 322_000
        more = {"aq": "none", "drift": (31.2, 0.641, 98.88, 2500), **more}
        return self.variant(
            "resnet8", more.pop("aq"), gq, target, metric="top1", values=values, sizes=(size, 0), profile=profile,
            model_bytes=RESNET_BYTES, base_bytes=base, **more,
        )  # fmt: skip


def interval(difference: float) -> dict[str, Any]:
    return {"difference": difference, "low": difference - 0.42, "high": difference + 0.42, "samples": 2500}


def fill(builder: Builder) -> list[VariantFiles]:
    """Three models, eleven variants: one rejected, one failed, two with an estimated latency, one synthetic."""
    llama, resnet = builder.llama, builder.resnet
    llama("awq-w4", "w4a8-dynamic", (44.797, 46.02, 46.02, 46.31, 46.31), 3_120_640, 14.1, accept={"metric_drop": 2.0})
    llama("rtn-w4", "w4a8-dynamic", (44.797, 48.61, 48.61, 49.05, 49.05), 3_118_080, 14.0, accept={"metric_drop": 2.0})
    llama("gptq-w4", "w4a8-dynamic", (44.797, 45.68, 45.68, 45.97, 45.97), 3_118_080, 14.2, accept={"metric_drop": 2.0})
    llama("none", "w8a8-dynamic", (44.797, 44.797, 44.797, 44.92, 44.92), 4_910_000, 16.9, accept={"metric_drop": 2.0})
    resnet(
        "w8a8", "xnnpack", (86.6, 86.6, 86.6, 86.56, 86.52), 96_400, measured(0.178, 0.469),
        accept={"metric_drop": 0.5}, compiled={"interval": interval(-0.08), "runtime": "xnnpack"},
    )  # fmt: skip
    resnet(
        "w8a8", "onnxruntime", (86.6, 86.6, 86.6, 86.56, 86.6), 104_800, measured(0.233, 0.35),
        accept={"metric_drop": 0.5}, compiled={"interval": interval(0.0), "runtime": "onnxruntime"},
    )  # fmt: skip
    small = metrics("top1", 86.0, 500, 91_904, (30.8, 0.66, 98.6, 500))
    small["metric"]["reference"] = 86.2
    resnet(
        "w8a8", "ethos-u85-256", (86.6, 86.6, 86.6, 86.56, 86.0), 91_904, estimated(0.109),
        accept={"metric_drop": 0.5, "sram_bytes": 262_144},
        compiled={**small, "interval": interval(-0.2), "runtime": "tosa-reference-model"},
    )  # fmt: skip
    resnet(
        "w4a8", "xnnpack", (86.6, 82.1, 82.1, 81.6, 81.6), 58_300, measured(0.171, 0.469), aq="hqq-w4",
        drift=(14.1, 35.2, 88.1, 2500), accept={"metric_drop": 0.5},
        compiled={"interval": interval(-5.0), "runtime": "xnnpack"},
    )  # fmt: skip
    resnet(
        "w8a8", "ethos-u55-128", (86.6, 86.6, 86.6, 86.5, 0.0), 1, estimated(1.0), stop="gq",
        failure="gq: the target needs a power-of-two scale for avg_pool2d at stages.2.pool",
    )  # fmt: skip
    resnet(
        "none", "xnnpack", (86.6, 86.6, 86.6, 86.6, 86.6), 322_000, measured(0.469, 0.469),
        drift=(118.0, 1e-9, 100.0, 2500), compiled={"runtime": "xnnpack"},
    )  # fmt: skip
    builder.variant(
        "toycar", "none", "w8a8", "ethos-u85-256", metric="logit_mse", values=(0.0, 0.0, 0.0, 18.4, 18.6),
        sizes=(287_300, 0), profile=estimated(0.031), model_bytes=TOYCAR_BYTES, drift=(33.0, 18.6, 0.0, 64),
        synthetic=True,
    )  # fmt: skip
    return builder.variants


@pytest.fixture
def builder(tmp_path: Path) -> Builder:
    """An empty workspace to write variants into."""
    return Builder(tmp_path / "data")


@pytest.fixture
def variants(builder: Builder) -> list[VariantFiles]:
    """The stage outputs of eleven variants."""
    return fill(builder)


@pytest.fixture
def interval_of() -> Callable[[float], dict[str, Any]]:
    """Makes the interval of a top-1 difference."""
    return interval
