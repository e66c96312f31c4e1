import subprocess
import sys
from pathlib import Path

import pytest
import yaml

from edgewright import registry, targets
from edgewright.errors import ConfigError

MINIMAL = {
    "toolchain": "xnnpack",
    "description": "a board",
    "float_build": True,
    "kernels": {
        "w8a8": {"weights": {"bits": 8, "granularity": "channel"}, "activations": {"bits": 8, "mode": "static"}}
    },
    "operators": {"linear": {"float": True, "quantized": ["w8a8"]}},
}


KNOWN = {op for name in targets.names() for op in targets.load(name).operators}


def written(folder: Path, **changes: object) -> Path:
    file = folder / "board.yaml"
    file.write_text(yaml.safe_dump({**MINIMAL, **changes}))
    return file


def test_names_are_the_files() -> None:
    assert set(targets.names()) == {
        *(f"ethos-u55-{macs}" for macs in (32, 64, 128, 256)), "ethos-u65-256", "ethos-u65-512",
        *(f"ethos-u85-{macs}" for macs in (128, 256, 512, 1024, 2048)), "onnxruntime", "openvino", "tinpu", "xnnpack",
    }  # fmt: skip


@pytest.mark.parametrize("name", targets.names())
def test_every_target_loads_and_has_an_adapter(name: str) -> None:
    target = targets.load(name)
    assert target.name == name
    assert target.toolchain.replace("_", "-") in registry.names("edgewright.targets.adapters")
    for op, operator in target.operators.items():
        assert operator.runs_float or operator.quantized, op
        for other in (*operator.fuses, *operator.absorbs):
            assert other in KNOWN, f"{op}: {other}"


def test_loading_needs_no_torch() -> None:
    code = (
        "import sys, time; from edgewright import targets; start = time.process_time();"
        "[targets.load(name) for name in targets.names()];"
        "print(time.process_time() - start, 'torch' in sys.modules)"
    )
    output = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout
    seconds, torch = output.split()
    assert torch == "False"
    assert float(seconds) < 1


def test_family_is_extended_and_null_removes(tmp_path: Path) -> None:
    families = tmp_path / "families"
    families.mkdir()
    (families / "base.yaml").write_text(yaml.safe_dump(MINIMAL))
    file = tmp_path / "board.yaml"
    file.write_text(
        "extends: base\ndescription: mine\nfloat_build: false\n"
        "operators: {linear: {float: false}, relu: {float: true}}\n"
    )
    target = targets.read(file, families)
    assert (target.name, target.description, target.float_build) == ("board", "mine", False)
    assert not target.operators["linear"].runs_float
    assert target.operators["linear"].quantized[0].name == "w8a8"
    assert target.supports("relu")
    file.write_text("extends: base\noperators: {linear: null, relu: {float: true}}\n")
    assert not targets.read(file, families).supports("linear")


def test_a_family_extends_a_family_but_not_itself(tmp_path: Path) -> None:
    families = tmp_path / "families"
    families.mkdir()
    (families / "base.yaml").write_text(yaml.safe_dump(MINIMAL))
    (families / "young.yaml").write_text("extends: base\noperators: {relu: {float: true}}\n")
    file = tmp_path / "board.yaml"
    file.write_text("extends: young\n")
    target = targets.read(file, families)
    assert target.supports("relu")
    assert target.supports("linear")
    (families / "base.yaml").write_text("extends: young\n")
    with pytest.raises(ConfigError, match=r"young\.yaml: extends: 'base' extends itself|extends itself through"):
        targets.read(file, families)


@pytest.mark.parametrize("name", [name for name in targets.names() if name.startswith("ethos")])
def test_an_ethos_u_is_what_vela_knows(name: str) -> None:
    import configparser
    from importlib.resources import files

    from ethosu.vela.architecture_features import Accelerator

    options = targets.load(name).options
    known = configparser.ConfigParser()
    known.read_string((files("ethosu") / "config_files/Arm/vela.ini").read_text())
    assert options["accelerator"] == name
    assert name in Accelerator.member_list()
    assert f"Memory_Mode.{options['memory_mode']}" in known
    generation = name.split("-")[1].upper()
    assert options["system_config"].startswith(f"Ethos_{generation}_")
    clock = float(known[f"System_Config.{options['system_config']}"]["core_clock"])
    assert ("1 GHz" if clock == 1e9 else f"{clock / 1e6:.0f} MHz") in targets.load(name).description


def test_misspelt_target_names_the_nearest() -> None:
    with pytest.raises(ConfigError, match=r"unknown target 'xnpack' \(did you mean 'xnnpack'\?\)"):
        targets.load("xnpack")


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"operatorz": {}}, "board.yaml: unknown key operatorz (did you mean 'operators'?)"),
        (
            {"operators": {"linear": {"floats": True}}},
            "board.yaml: unknown key operators.linear.floats (did you mean 'float'?)",
        ),
        (
            {"operators": {"linear": {"quantized": ["w8a9"]}}},
            "board.yaml: operators.linear.quantized: no kernel 'w8a9' (did you mean 'w8a8'?)",
        ),
        ({"operators": {"linear": True}}, "board.yaml: operators.linear must be a mapping, for example {float: true}"),
        ({"extends": "bse"}, "board.yaml: extends: no family 'bse'"),
        ({"float_build": "maybe"}, "board.yaml: float_build: "),
    ],
)
def test_wrong_file_is_one_line_with_file_and_key(tmp_path: Path, changes: dict[str, object], message: str) -> None:
    with pytest.raises(ConfigError) as caught:
        targets.read(written(tmp_path, **changes), tmp_path / "families")
    assert str(caught.value).startswith(message)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(
    ("toolchain", "options", "message"),
    [
        ("ethos_u", {"acelerator": "x"}, "board.yaml: options: ethos_u has no option 'acelerator' (did you mean 'acc"),
        ("xnnpack", {"threads": "2"}, "board.yaml: options: xnnpack has no option 'threads'; it has none"),
    ],
)
def test_an_option_that_the_toolchain_lacks_is_refused(
    tmp_path: Path, toolchain: str, options: dict[str, str], message: str
) -> None:
    target = targets.read(written(tmp_path, toolchain=toolchain, options=options), tmp_path)
    with pytest.raises(ConfigError) as caught:
        targets.adapter(target)
    assert str(caught.value).startswith(message)
    assert "\n" not in str(caught.value)


def test_file_that_is_no_yaml(tmp_path: Path) -> None:
    file = tmp_path / "board.yaml"
    file.write_text("operators: [")
    with pytest.raises(ConfigError, match=r"^board\.yaml: "):
        targets.read(file, tmp_path)
