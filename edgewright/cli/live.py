"""The events of a run as they are shown: a moving view in a terminal, lines in a log."""

import time
from types import TracebackType
from typing import Any, Protocol, Self

from rich.console import Console
from rich.live import Live
from rich.text import Text

from edgewright.engine.state import Event, State
from edgewright.report.format import seconds_text

_LINE_INTERVAL_SECONDS = 10.0
_SHOWN = (State.COMPLETED, State.RESTORED, State.FAILED)
_STYLES = {State.COMPLETED: "green", State.RESTORED: "cyan", State.FAILED: "bold red", State.SKIPPED: "yellow"}


class View(Protocol):
    """Shows events while it is entered."""

    def __enter__(self) -> Self: ...

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None: ...

    def __call__(self, event: Event) -> None: ...


def view(console: Console) -> View:
    """The view that fits the console."""
    return Moving(console) if console.is_terminal else Lines(console)


class _Base:
    """What both views do: finished stages as lines, and an estimate of the time left."""

    def __init__(self, console: Console) -> None:
        self.console = console
        self.start = time.monotonic()
        self.running: dict[str, tuple[float, str]] = {}
        self.done = 0
        self.total = 0
        self.has_worked = False

    def note(self, event: Event) -> None:
        self.total = event.total or self.total
        if event.kind == "notice":
            self.console.print(Text(event.message, style="yellow"))
        elif event.kind == "started":
            self.running[event.name] = (time.monotonic(), "")
        elif event.kind == "progress" and event.name in self.running:
            self.running[event.name] = (self.running[event.name][0], event.message)
        elif event.kind == "finished":
            self.running.pop(event.name, None)
            self.done = event.done
            self.has_worked |= event.state is State.COMPLETED
            if event.state in _SHOWN:
                self.console.print(self.line(event))

    def line(self, event: Event) -> Text:
        state = event.state or State.FAILED
        text = Text(f"[{event.done:>{len(str(event.total))}}/{event.total}] {event.name}: ")
        text.append(state.value, style=_STYLES[state])
        text.append(f" in {seconds_text(event.seconds)}" if state is not State.FAILED else f": {event.message}")
        if event.done < event.total and (left := self.left()) is not None:
            text.append(f", about {seconds_text(left)} left", style="dim")
        return text

    def left(self) -> float | None:
        """Seconds that the rest may take: what is done took so long, the rest will in proportion."""
        if self.done < 3 or not self.has_worked:
            return None
        return (time.monotonic() - self.start) / self.done * (self.total - self.done)


class Lines(_Base):
    """Lines for a log: what finished, and now and then where a long stage is."""

    def __init__(self, console: Console) -> None:
        super().__init__(console)
        self.last: dict[str, float] = {}

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *reason: Any) -> None:
        """Nothing to put away."""

    def __call__(self, event: Event) -> None:
        self.note(event)
        if event.kind == "started":
            self.last[event.name] = time.monotonic()
        elif event.kind == "progress" and time.monotonic() - self.last.get(event.name, 0.0) > _LINE_INTERVAL_SECONDS:
            self.last[event.name] = time.monotonic()
            self.console.print(Text(f"  {event.name}: {event.message}", style="dim"))


class Moving(_Base):
    """A view that is redrawn: the stages that run with scope and time left, and a count of all."""

    def __init__(self, console: Console) -> None:
        super().__init__(console)
        self.live = Live(get_renderable=self.render, console=console, refresh_per_second=4, transient=True)

    def __enter__(self) -> Self:
        self.live.start()
        return self

    def __exit__(self, *reason: Any) -> None:
        self.live.stop()

    def __call__(self, event: Event) -> None:
        self.note(event)

    def render(self) -> Text:
        """The lines below the log."""
        now = time.monotonic()
        text = Text(overflow="ellipsis", no_wrap=True)
        for name, (since, message) in list(self.running.items()):
            text.append(f"  {name}  ", style="bold")
            text.append(f"{seconds_text(now - since)}  {message}\n", style="dim")
        text.append(f"{self.done} of {self.total} stages" if self.total else "looking at what has changed")
        if (left := self.left()) is not None:
            text.append(f", about {seconds_text(left)} left", style="dim")
        return text

