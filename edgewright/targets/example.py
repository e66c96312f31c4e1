"""The runnable example beside an artifact: load it, run it on zeros, print the output's shape."""

from pathlib import Path

from edgewright.targets.manifest import Manifest

FILE = "example.py"

_EXECUTORCH = '''"""Run {artifact} ({target}) once on zeros. Needs: pip install executorch=={executorch}"""
from pathlib import Path

import torch
from executorch.runtime import Runtime

method = Runtime.get().load_program(Path(__file__).with_name("{artifact}")).load_method("forward")
inputs = [{inputs}]
print(tuple(method.execute(inputs)[0].shape))
'''

_ONNXRUNTIME = '''"""Run {artifact} ({target}) once on zeros. Needs: pip install onnxruntime=={onnxruntime}"""
from pathlib import Path

import numpy as np
import onnxruntime

session = onnxruntime.InferenceSession(str(Path(__file__).with_name("{artifact}")))
inputs = {{{inputs}}}
print(session.run(None, inputs)[0].shape)
'''

_TOSA = '''"""Run the network of {artifact} ({target}) once on zeros, in the TOSA reference model.

The .pte runs on the device. Needs: pip install edgewright tosa-tools=={tosa}
"""
from pathlib import Path

import numpy as np
from edgewright import targets
from edgewright.targets.adapters import ethos_u

run = ethos_u.session(Path(__file__).parent, targets.load("{target}"), threads=1)
inputs = ({inputs},)
print(run(inputs).shape)
'''


def write_example(folder: Path, runtime: str, manifest: Manifest) -> None:
    """Write `example.py` for one of the runtimes executorch, onnxruntime, tosa-reference-model."""
    tensors = manifest.inputs
    common = {"artifact": manifest.artifact, "target": manifest.target}
    if runtime == "executorch":
        zeros = ", ".join(f"torch.zeros({item.shape}, dtype=torch.{item.dtype})" for item in tensors)
        text = _EXECUTORCH.format(**common, inputs=zeros, executorch=manifest.versions["executorch"])
    elif runtime == "onnxruntime":
        zeros = ", ".join(f'"{item.name}": np.zeros({item.shape}, np.{item.dtype})' for item in tensors)
        text = _ONNXRUNTIME.format(**common, inputs=zeros, onnxruntime=manifest.versions["onnxruntime"])
    else:
        zeros = ", ".join(f"np.zeros({item.shape}, np.{item.dtype})" for item in tensors)
        text = _TOSA.format(**common, inputs=zeros, tosa=manifest.versions["tosa-tools"])
    (folder / FILE).write_text(text, encoding="utf-8")
