"""Opening an exported program runs no code that its archive holds."""

import io
import json
import os
import pickle
import zipfile
from contextlib import suppress

import pytest
import torch
from torch import nn

from edgewright import ir
from edgewright.errors import InputError

MODEL, CONSTANTS = "archive/models/model.json", "archive/data/constants/model_constants_config.json"
SAMPLES = "archive/data/sample_inputs/model.pt"


class Plain(nn.Module):
    def __init__(self):
        super().__init__()
        self.layers = nn.ModuleDict({"a-b": nn.Linear(3, 4)})
        self.register_buffer("shift", torch.ones(4), persistent=False)

    def forward(self, x):
        return self.layers["a-b"](x).reshape(x.shape[0] * 2, -1) + self.shift[:2]


class Code:
    def __init__(self, marker):
        self.marker = marker

    def __reduce__(self):
        return os.system, (f"touch {self.marker}",)


def changed(tmp_path, **entries):
    """A saved program with other entries; a value is the new content, or a function of the old."""
    buffer = io.BytesIO()
    torch.export.save(torch.export.export(Plain().eval(), (torch.zeros(2, 3),),
                                          dynamic_shapes=({0: torch.export.Dim("batch")},)), buffer)
    with zipfile.ZipFile(buffer) as source:
        contents = {name: source.read(name) for name in source.namelist()}
    for name, content in entries.items():
        contents[name] = content(contents[name]) if callable(content) else content
    path = tmp_path / "p.pt2"
    with zipfile.ZipFile(path, "w") as target:
        for name, content in contents.items():
            target.writestr(name, content)
    return path


def config(**fields):
    def edit(content):
        value = json.loads(content)
        entry = next(iter(value["config"].values()))
        value["config"]["more"] = {**entry, **fields}
        return json.dumps(value)

    return edit


def replaced(old, new):
    def edit(content):
        text = content.decode()
        assert old in text
        return text.replace(old, json.dumps(new)[1:-1])

    return edit


def importing(content):
    value = json.loads(content)
    signature = value["graph_module"]["module_call_graph"][0]["signature"]
    tree = json.loads(signature["in_spec"])
    tree[1]["context"] = json.dumps({"__enum__": True, "fqn": "package.module:Class", "name": "A"})
    signature["in_spec"] = json.dumps(tree)
    return json.dumps(value)


def with_pickle(marker):
    buffer = io.BytesIO()
    torch.save(Code(marker), buffer)
    return buffer.getvalue()


ATTACKS = {
    "opaque object": lambda marker: {
        CONSTANTS: config(path_name="opaque_obj_9"),
        "archive/data/constants/opaque_obj_9": pickle.dumps(Code(marker)).ljust(400),
    },
    "an opaque object that no configuration lists": lambda marker: {
        "archive/data/constants/opaque_obj_9": pickle.dumps(Code(marker)),
    },
    "pickled constant": lambda marker: {
        CONSTANTS: config(use_pickle=True, path_name="tensor_9"),
        "archive/data/constants/tensor_9": with_pickle(marker),
    },
    "sample inputs": lambda marker: {SAMPLES: with_pickle(marker)},
    "old weights": lambda marker: {"archive/data/weights/model.pt": with_pickle(marker)},
    "size": lambda marker: {
        MODEL: replaced("Symbol('s77', positive=True, integer=True)", f"__import__('os').system('touch {marker}')"),
    },
    "size of a text": lambda marker: {
        MODEL: replaced("Symbol('s77', positive=True, integer=True)",
                        f"Add(\"__import__('os').system('touch {marker}')\")"),
    },
    "operator": lambda marker: {MODEL: replaced("torch.ops.aten.linear.default", "torch.os.system")},
    "name": lambda marker: {MODEL: replaced("shift", f"a\"+__import__('os').system('touch {marker}')+\"b")},
    "tree": lambda marker: {MODEL: importing},
}  # fmt: skip


@pytest.mark.parametrize("attack", ATTACKS)
def test_what_could_run_code_is_refused_and_does_not_run(tmp_path, attack):
    marker = tmp_path / "code-ran"
    path = changed(tmp_path, **ATTACKS[attack](marker))
    with pytest.raises(InputError, match=r"p\.pt2: refused, because it may hold code: ") as caught:
        ir.read(path)
    assert "\n" not in str(caught.value)
    assert not marker.exists()


def test_the_attacks_are_real(tmp_path):
    for attack in ("opaque object", "pickled constant", "sample inputs", "size"):
        marker = tmp_path / attack.replace(" ", "-")
        with suppress(Exception):
            torch.export.load(changed(tmp_path, **ATTACKS[attack](marker)))
        assert marker.exists(), attack


class Shapes(nn.Module):
    def forward(self, x):
        height, width = x.shape[2], x.shape[3]
        y = nn.functional.interpolate(x, size=(height // 2 + 1, max(width - 3, 4)))
        with torch.no_grad():
            return y, torch.zeros(torch.sym_max(height, width) + height * width % 5)


def test_a_plain_export_is_read(tmp_path):
    path = changed(tmp_path)
    images = torch.randn(5, 3)
    assert torch.equal(ir.unlift(ir.read(path))(images), torch.export.load(path).module()(images))
    auto = torch.export.Dim.AUTO
    dynamic = ({0: torch.export.Dim("batch"), 2: auto, 3: auto},)
    program = torch.export.export(Shapes(), (torch.zeros(2, 3, 32, 40),), dynamic_shapes=dynamic)
    torch.export.save(program, tmp_path / "q.pt2", extra_files={"note.txt": "text"})
    assert len(ir.read(tmp_path / "q.pt2").graph.nodes) == len(program.graph.nodes)


@pytest.mark.parametrize("content", [b"no archive", b""])
def test_another_file_is_no_program(tmp_path, content):
    path = tmp_path / "p.pt2"
    path.write_bytes(content)
    with pytest.raises(InputError, match="not an exported program") as caught:
        ir.read(path)
    assert "\n" not in str(caught.value)


def test_another_archive_is_no_program(tmp_path):
    torch.save({"a": torch.ones(2)}, tmp_path / "p.pt2")
    with pytest.raises(InputError, match="p.pt2: refused|not an exported program"):
        ir.read(tmp_path / "p.pt2")
