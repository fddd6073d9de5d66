"""The tab that shows settings side by side on the same noise."""

from collections.abc import Iterator
from typing import Any

import gradio as gr

from imtalker.demo.page.framing_panel import FramingPanel, crop_for
from imtalker.demo.page.result_panel import EMPTY
from imtalker.demo.page.run_lifecycle import Around, RunLifecycle
from imtalker.demo.page.snippets import CODE_LANGUAGES, curl_snippet, python_snippet
from imtalker.demo.page.tables import comparison_table, status
from imtalker.demo.page.theme import CONSENT
from imtalker.demo.page.widgets import QUICK, RunRow, code, number, one_click, picture_input, slider, speech_input
from imtalker.demo.runs.common_options import PITCH, PORTRAIT, ROLL, SEED, YAW
from imtalker.demo.runs.compare import CompareProgress, Comparison
from imtalker.demo.runs.live import Event
from imtalker.demo.runs.options import Request
from imtalker.demo.runs.requests import KIND, SECOND_PORTRAIT, SHORT_SPEECH, CompareRequest
from imtalker.demo.runs.samples import pairs
from imtalker.demo.service import Service
from imtalker.demo.settings import MAX_COMPARE_SECONDS
from imtalker.media.audio import MIN_SECONDS

Data = dict[Any, Any]
KIND_NAMES = {
    "Sampling steps 4 · 10 · 25": "steps",
    "Guidance 1 · 2 · 3": "guidance",
    "With and without a head pose": "pose",
    "Two portraits, one motion": "portraits",
}
POSE = 15  # degrees of yaw to begin with, where a pose is compared


class CompareTab:
    """Its widgets and what they ask for.

    Args:
        around: what the tabs share.
    """

    def __init__(self, service: Service, around: Around):
        samples, kinds = service.samples, list(KIND_NAMES)
        buttons = one_click(samples, pairs(samples.portraits[1:], samples.speech[::-1], 3), "Compare at one click")
        with gr.Row(equal_height=False):
            with gr.Column(scale=5, min_width=300):
                self.kind = gr.Radio(kinds, value=kinds[0], label=KIND.label)
                self.portrait = picture_input(PORTRAIT, samples, height=240)
                self.framing = FramingPanel(service.host, "Face and crop")
                self.framing.watch(self.portrait)
                with gr.Column(visible=False) as second:
                    self.second = picture_input(SECOND_PORTRAIT, samples, height=240)
                with gr.Row(visible=False) as pose:
                    self.yaw, self.pitch, self.roll = slider(YAW, 0), slider(PITCH, 0), slider(ROLL, 0)
                self.speech = speech_input(SHORT_SPEECH, samples, f"{MIN_SECONDS:g} to {MAX_COMPARE_SECONDS:g} s")
                self.seed = number(SEED, service.host.expected.sampling.seed)
                gr.HTML(CONSENT, padding=False)
            with gr.Column(scale=6, min_width=300, elem_classes="it-sticky"):
                row = RunRow(
                    "compare-run", "Compare", "Every variant starts from the same noise, so only the setting differs."
                )
                view = ComparisonView(service.settings.space)
        self.kind.change(
            lambda kind: (
                gr.Column(visible=KIND_NAMES[kind] == "portraits"),
                gr.Row(visible=KIND_NAMES[kind] == "pose"),
                POSE if KIND_NAMES[kind] == "pose" else 0,
            ),
            self.kind,
            [second, pose, self.yaw],
            **QUICK,
        )
        inputs = [self.kind, self.portrait, self.framing.state, self.second, self.yaw, self.pitch, self.roll]
        inputs += [self.speech, self.seed]
        held = {"portrait": self.portrait, "speech": self.speech, "second_portrait": self.second}
        self.life = RunLifecycle(service, "compare", row, view, around, held)
        self.life.starts(row.run, inputs, self._request)
        for button, picture, sound in buttons:
            self.life.starts(button, inputs, self._request, {self.portrait: str(picture), self.speech: str(sound)})
        self.life.wire()

    def _request(self, data: Data) -> CompareRequest:
        kind = KIND_NAMES[data[self.kind]]
        pose = {"yaw": data[self.yaw], "pitch": data[self.pitch], "roll": data[self.roll]} if kind == "pose" else {}
        return CompareRequest(
            portrait=data[self.portrait],
            speech=data[self.speech],
            kind=kind,
            second_portrait=data[self.second] if kind == "portraits" else None,
            seed=data[self.seed],
            crop=crop_for(data[self.framing.state], data[self.portrait]),
            **pose,
        )


class ComparisonView:
    """The variants in one video, their table, and code."""

    def __init__(self, space: str | None):
        self._space = space
        self.empty = gr.HTML(EMPTY.format(words="The variants appear here side by side."), padding=False)
        with gr.Column(visible=False) as self.done_box:
            self.video = gr.Video(
                label="Side by side",
                show_label=False,
                interactive=False,
                height=400,
                buttons=["download"],
                elem_id="compare-video",
            )
            self.table = gr.HTML(padding=False)
            with gr.Accordion("Code", open=False):
                self.codes = [code(label, language) for label, language in CODE_LANGUAGES[:2]]

    @property
    def outputs(self) -> list[Any]:
        return [self.empty, self.done_box, self.video, self.table, *self.codes]

    def clear(self) -> Data:
        """Before a run."""
        return {self.empty: gr.HTML(visible=True), self.done_box: gr.Column(visible=False)}

    def show(self, event: Event, request: Request, address: str) -> Iterator[Data]:
        """Changes for one event; the line under the button has the key ``None``."""
        if isinstance(event, CompareProgress):
            yield {None: _progress(event)}
        elif isinstance(event, Comparison):
            snippets = (python_snippet(request, self._space or address), curl_snippet(request, address))
            yield {
                None: status(f"Ready: {len(event.names)} variants.", tone="done"),
                self.empty: gr.HTML(visible=False),
                self.done_box: gr.Column(visible=True),
                self.video: gr.Video(value=str(event.video), autoplay=True),
                self.table: comparison_table(event.rows(), event.reports[0]),
                **dict(zip(self.codes, snippets, strict=True)),
            }


def _progress(event: CompareProgress) -> str:
    if event.run is None:
        return status("Putting the videos together…", 1.0)
    share = (event.index + event.run.done / max(event.run.total, 1)) / event.count
    return status(f"Variant {event.index + 1} of {event.count}: {event.name}", share)
