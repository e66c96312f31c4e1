"""The errors that a user can cause, each with the exit code that design.md promises."""

from collections.abc import Iterable
from difflib import get_close_matches


class EdgewrightError(Exception):
    """Base of the errors that are shown as one line instead of a traceback."""

    exit_code = 1


class ConfigError(EdgewrightError):
    """The configuration is wrong: params.yaml, a target file, an option of the command line."""

    exit_code = 2


class InputError(EdgewrightError):
    """The data, the weights or the model is wrong."""

    exit_code = 3


class BudgetError(EdgewrightError):
    """A variant missed its `accept` budget; the failure of a stage has a code of its own."""

    exit_code = 4


class ContradictionError(EdgewrightError):
    """A line of a capability map is not what the toolchain does; the other lines were tried."""

    exit_code = 4


def first_line(error: BaseException) -> str:
    """The first line of an error's message that is not blank, or the name of its type where there is none."""
    lines = (line.strip() for line in str(error).splitlines())
    return next(filter(None, lines), type(error).__name__)


def nearest(name: str, candidates: Iterable[str]) -> str:
    """` (did you mean 'x'?)` for the candidate that is closest to `name`, or an empty string."""
    close = get_close_matches(name, sorted(candidates), n=1, cutoff=0.5)
    return f" (did you mean '{close[0]}'?)" if close else ""
