"""The life of a run on the page, the same for all tabs: start, watch, stop, fail, end, and find again."""

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from typing import Any, Protocol

import gradio as gr

from imtalker.demo.page.recent import Recent
from imtalker.demo.page.tables import status, waiting_words
from imtalker.demo.page.widgets import CHECKED, PRIVATE, QUICK, RunRow
from imtalker.demo.runs.live import Event, LiveRun
from imtalker.demo.runs.nobody import Nobodies
from imtalker.demo.runs.options import Request
from imtalker.demo.runs.run import Stopped, Waiting
from imtalker.demo.service import Service

Data = dict[Any, Any]
STARTING = "Reading the files…"
LOADING = "Loading the models, once…"
FAILED = "Nothing was made; the message says why."
NOTHING_MADE = "Stopped before anything was made."
STOPPING = "Stopping; what is made so far is being finished…"

# The address of the page names the run, so that it is found again after a reload.
NAME_RESULT = """
(name) => {
  const address = new URL(location.href);
  address.searchParams.set('result', name);
  history.replaceState(history.state, '', address);
  return [];
}
"""


class ResultView(Protocol):
    """Where the result of a tab appears."""

    @property
    def outputs(self) -> list[Any]:
        """All components it changes."""
        ...

    def clear(self) -> Data:
        """Before a run."""
        ...

    def show(self, event: Event, request: Request, address: str) -> Iterator[Data]:
        """Changes for one event of a run; those of the line under the button with ``None`` as key."""
        ...


@dataclass(frozen=True)
class Around:
    """What the tabs share of the page."""

    address: gr.Textbox  # holds the page's public address
    recent: Recent
    nobodies: Nobodies | None = None  # None: no portraits of nobody are offered


class RunLifecycle:
    """What the buttons of one tab do.

    Args:
        tab: its name.
        row: buttons and the line that tells what happens.
        view: the result.
        around: what the tabs share.
        hand_over: script that is run when the result is there.
        live_box: what is hidden then.
        inputs: name of a request's field -> component that holds it, to be filled when a run is found again.
    """

    def __init__(
        self,
        service: Service,
        tab: str,
        row: RunRow,
        view: ResultView,
        around: Around,
        inputs: dict[str, Any],
        hand_over: str | None = None,
        live_box: Any = None,
    ):
        self._service, self.tab = service, tab
        self._row, self._view, self._around = row, view, around
        self._inputs = inputs
        self._hand_over, self._live_box = hand_over, live_box
        self._starters: list[gr.Button] = []  # all of them rest during a run: Stop would reach only the latest
        self._wiring: list[Callable[[], None]] = []
        row.stop.click(self._stop, row.name, [row.status, row.stop], **QUICK)

    def starts(
        self,
        button: gr.Button,
        inputs: Iterable[Any],
        make_request: Callable[[Data], Request],
        filled: Data | None = None,
    ) -> None:
        """Let a button start a run; call ``wire`` when all buttons are known.

        Args:
            inputs: components whose values ``make_request`` reads.
            filled: components that get a value first, for samples.
        """
        self._starters.append(button)
        self._wiring.append(lambda: self._wire(button.click, set(inputs), make_request, filled or {}))

    def wire(self) -> None:
        for connect in self._wiring:
            connect()

    @property
    def outputs(self) -> list[Any]:
        """All components a run changes."""
        row = self._row
        return [row.name, row.status, row.stop, *self._starters, *self._view.outputs]

    @property
    def inputs(self) -> list[Any]:
        """The components that are filled when a run is found again."""
        return list(self._inputs.values())

    def found_again(self, run: LiveRun, address: str) -> Iterator[Data]:
        """Everything a page needs that has just been loaded, for a run under way or ended."""
        held = run.request.files()
        files = {field: held[name] for name, field in self._inputs.items() if name in held}
        yield {**files, **self._opened(run)}
        try:
            yield from self._events(run, address)
        except Exception:
            yield self._failed()
            raise
        hidden = {self._live_box: gr.Column(visible=False)} if self._live_box is not None else {}
        yield {**self._ended(), **hidden}

    def _wire(self, trigger: Callable, inputs: set[Any], make_request: Callable[[Data], Request], filled: Data) -> None:
        row, view = self._row, self._view

        def begin(data: Data) -> Data:
            request = make_request(data | filled)
            return {**filled, **self._opened(self._service.start(request, self.tab))}

        started = trigger(begin, inputs, [*filled, *self.outputs], **CHECKED)
        started.success(None, row.name, js=NAME_RESULT, **PRIVATE)
        started.success(None, js=row.show, **PRIVATE)
        recent = self._around.recent
        started.success(recent.remember, [row.name, recent.state], recent.outputs, **QUICK)
        watching = started.success(
            self._watch,
            [row.name, self._around.address],
            [row.status, *view.outputs],
            show_progress_on=row.status,
            **{**CHECKED, "show_progress": "minimal"},
        )
        buttons = [row.status, row.stop, *self._starters]
        watching.failure(self._failed, None, buttons, **QUICK)
        if self._hand_over:
            shown = watching.success(None, js=self._hand_over, **PRIVATE)
            shown.then(lambda: gr.Column(visible=False), None, self._live_box, **QUICK)
        watching.success(self._ended, None, buttons[1:], **QUICK)

    # ---- handlers ----

    def _opened(self, run: LiveRun) -> Data:
        row = self._row
        return {
            row.name: run.name,
            row.status: status(STARTING if self._service.host.is_ready else LOADING, 0.0),
            row.stop: gr.Button(visible=True, interactive=True),
            **{button: gr.Button(interactive=False) for button in self._starters},
            **self._view.clear(),
        }

    def _watch(self, name: str, address: str) -> Iterator[Data]:
        run = self._service.live.find(name)
        if run is not None:
            yield from self._events(run, address)

    def _events(self, run: LiveRun, address: str) -> Iterator[Data]:
        line = self._row.status
        for event in run.watch():
            if isinstance(event, Waiting):
                yield {line: status(waiting_words(event.place, event.seconds), 0.0)}
            elif isinstance(event, Stopped):
                yield {line: status(NOTHING_MADE, tone="stopped")}
            else:
                for changes in self._view.show(event, run.request, address):
                    yield {line if part is None else part: value for part, value in changes.items()}

    def _stop(self, name: str | None) -> tuple[str, Any]:
        self._service.live.stop(name)
        return status(STOPPING, 1.0), gr.Button(interactive=False)

    def _failed(self) -> Data:
        return {self._row.status: status(FAILED, tone="stopped"), **self._ended()}

    def _ended(self) -> Data:
        rested = {button: gr.Button(interactive=True) for button in self._starters}
        return {self._row.stop: gr.Button(visible=False), **rested}
