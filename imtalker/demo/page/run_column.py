"""The right half of a tab that makes one video: the button that starts it, what happens, the result."""

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Any

import gradio as gr

from imtalker.demo.page.option_panels import OutputPanel
from imtalker.demo.page.result_panel import ResultPanel
from imtalker.demo.page.run_lifecycle import Around, RunLifecycle
from imtalker.demo.page.widgets import RunRow
from imtalker.demo.runs.options import Request
from imtalker.demo.runs.requests import MotionRequest
from imtalker.demo.service import Service

Data = dict[Any, Any]


@dataclass(frozen=True)
class Words:
    """What a tab says."""

    start: str  # on the button
    idle: str  # below it, before the first run
    empty: str  # where the result will be


class RunColumn:
    """Button, line, result, and the life of a run between them; build it inside the tab's row.

    Args:
        tab: its name, and the prefix of element ids.
        inputs: name of a request's field -> component that holds it, filled when a run is found again.
        output: how a finished motion is put on another portrait; None: that is not offered.
    """

    def __init__(
        self,
        service: Service,
        around: Around,
        tab: str,
        words: Words,
        inputs: dict[str, Any],
        output: OutputPanel | None = None,
    ):
        with gr.Column(scale=6, min_width=300, elem_classes="it-sticky"):
            self._row = RunRow(f"{tab}-run", words.start, words.idle)
            self.result = ResultPanel(tab, service.settings, service.samples, words.empty, output is not None)
        self._output = output
        result = self.result
        self.life = RunLifecycle(
            service, tab, self._row, result, around, inputs, result.hand_over, result.live_box
        )  # fmt: skip

    def wire(
        self,
        inputs: Iterable[Any],
        make_request: Callable[[Data], Request],
        samples: Iterable[tuple[gr.Button, Data]] = (),
    ) -> None:
        """Let the buttons start runs; once, when everything is built.

        Args:
            inputs: components whose values ``make_request`` reads.
            samples: buttons that fill components first.
        """
        inputs = list(inputs)
        self.life.starts(self._row.run, inputs, make_request)
        if self._output is not None and self.result.next_portrait is not None and self.result.apply is not None:
            looks = [self._output.paste_back, self._output.label]
            self.life.starts(self.result.apply, [self.result.next_portrait, self.result.last, *looks], self._again)
        for button, filled in samples:
            self.life.starts(button, inputs, make_request, filled)
        self.life.wire()

    def _again(self, data: Data) -> MotionRequest:
        """The motion of a result on another portrait."""
        assert self._output is not None
        return self.result.again(data, paste_back=data[self._output.paste_back], label=data[self._output.label])
