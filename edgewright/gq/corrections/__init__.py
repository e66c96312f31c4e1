"""Corrections of a quantized program: one file a correction, found by its name.

A correction's module exposes one of

- `prepare(module) -> tuple[str, ...]`: rewrite a float program, as a module that is quantized afterwards, without
  changing its function; the modules whose weights changed;
- `adjust(constants, meeting) -> bool`: change the constants of one operator, given its quantized inputs and the
  outputs of the float program; whether it could. Operators come in graph order, each with the operators before it
  already corrected.

`edgewright.gq.refine` keeps a correction only where the program's output comes nearer to the float one with it.
"""

PACKAGE = "edgewright.gq.corrections"
