"""Options that several commands share."""

from typing import Annotated

import typer

Remote = Annotated[str | None, typer.Option(metavar="NAME|URL|PATH", help="Remote; the default one if absent.")]
Jobs = Annotated[int | None, typer.Option(min=1, help="Parallel transfers.")]
