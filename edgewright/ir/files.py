"""A Program on disk: canonical bytes that `torch.export.load` opens."""

import io
from pathlib import Path

import torch
from torch.export import ExportedProgram
from torch.export.pt2_archive._package import load_pt2

from edgewright.errors import InputError, first_line
from edgewright.ir import archive
from edgewright.ir.operators import register
from edgewright.ir.verify import verify


def save(program: ExportedProgram, path: Path) -> None:
    """Verify `program` and write it to `path`; the bytes do not depend on the path, the time or the machine.

    Raises:
        InputError: an invariant of the Program does not hold.
    """
    verify(program)
    # Through memory, because the archive would otherwise carry the name of the file.
    buffer = io.BytesIO()
    torch.export.save(program, buffer)
    path.write_bytes(buffer.getvalue())


def read(path: Path) -> ExportedProgram:
    """The exported program in `path` as it is: a user's own, neither canonical nor verified.

    Raises:
        InputError: the file is no exported program, or opening it could run code.
    """
    register()
    try:
        archive.check(path)
        # Not torch.export.load: it goes on to an older format, which is pickled, where this one cannot be read.
        return load_pt2(str(path)).exported_programs["model"]
    except InputError:
        raise
    except Exception as error:
        raise InputError(f"{path}: not an exported program that this torch can read: {first_line(error)}") from error


def load(path: Path) -> ExportedProgram:
    """The verified Program in `path`.

    Raises:
        InputError: the file is no exported program, or an invariant does not hold.
    """
    program = read(path)
    verify(program)
    return program
