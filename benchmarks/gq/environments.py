"""Throw-away environments of the toolchains that are compared, each made once; the others are the project's pins."""

import subprocess
import sys
from pathlib import Path

PACKAGES = {
    "nncf": ("nncf==3.4.0", "onnx==1.21.0", "onnxruntime==1.31.1"),
    "aimet": ("aimet-onnx==2.42.0",),
}


def python(package: str, home: Path) -> Path:
    """The interpreter for a package; its environment is made first if it is not there.

    Raises:
        CalledProcessError: pip could not install it.
    """
    if package not in PACKAGES:
        return Path(sys.executable)
    folder = home / "venvs" / package
    interpreter, done = folder / "bin/python", folder / f".{PACKAGES[package][0]}"
    if not done.is_file():
        print(f"installing {' '.join(PACKAGES[package])}", flush=True)
        subprocess.run([sys.executable, "-m", "venv", str(folder)], check=True)
        subprocess.run([interpreter, "-m", "pip", "install", "-q", *PACKAGES[package]], check=True)
        done.touch()
    return interpreter
