"""The tab that shows settings side by side on the same noise."""

from collections.abc import Callable, Iterator
from typing import Any

import gradio as gr

from imtalker.demo.errors import explained
from imtalker.demo.page.framing_panel import FramingPanel, crop_for
from imtalker.demo.page.result_panel import EMPTY, address_of
from imtalker.demo.page.run_lifecycle import FAILED, WAITING
from imtalker.demo.page.snippets import CODE_LANGUAGES, Call, curl_snippet, python_snippet
from imtalker.demo.page.tables import comparison_table, status
from imtalker.demo.page.theme import CONSENT
from imtalker.demo.page.widgets import (
    CHECKED,
    PRIVATE,
    QUICK,
    RunRow,
    angle,
    code,
    one_click,
    picture_input,
    speech_input,
)
from imtalker.demo.runs.cancellation import Stops
from imtalker.demo.runs.compare import KINDS, CompareProgress
from imtalker.demo.runs.jobs import MAX_SEED
from imtalker.demo.service import Studio
from imtalker.demo.settings import GPU_QUEUE, MAX_COMPARE_SECONDS, MAX_POSE
from imtalker.errors import InputError

Data = dict[Any, Any]


class CompareTab:
    """Widgets and behaviour."""

    def __init__(self, studio: Studio, stops: Stops):
        self._studio, self._stops = studio, stops
        samples = studio.samples
        seed = studio.host.expected_sampling.seed
        kinds = list(KINDS)
        buttons = one_click(samples.portraits[1:], samples.speech[::-1], 3, "Compare at one click")
        with gr.Row(equal_height=False):
            with gr.Column(scale=5, min_width=300):
                self.kind = gr.Radio(kinds, value=kinds[0], label="What is compared")
                self.portrait = picture_input("Portrait", samples.portraits, height=240)
                self.framing = FramingPanel(studio.host, "Face and crop")
                self.framing.watch(self.portrait)
                with gr.Column(visible=False) as second:
                    self.second = picture_input("Second portrait", samples.portraits, height=240)
                with gr.Row(visible=False) as pose:
                    self.yaw = angle("Yaw: nose to the right, °", MAX_POSE["yaw"])
                    self.pitch = angle("Pitch: nose up, °", MAX_POSE["pitch"])
                    self.roll = angle("Roll: counter-clockwise, °", MAX_POSE["roll"])
                self.speech = speech_input(f"Speech, up to {MAX_COMPARE_SECONDS:g} s", samples.speech)
                self.seed = gr.Number(seed, precision=0, minimum=0, maximum=MAX_SEED, label="Seed, the same for all")
                gr.HTML(CONSENT, padding=False)
            with gr.Column(scale=6, min_width=300, elem_classes="it-sticky"):
                self.row = RunRow(
                    "compare-run", "Compare", "Every variant starts from the same noise, so only the setting differs."
                )
                self.empty = gr.HTML(EMPTY.format(words="The variants appear here side by side."), padding=False)
                with gr.Column(visible=False) as self.done_box:
                    self.video = gr.Video(
                        label="Side by side",
                        show_label=False,
                        interactive=False,
                        height=360,
                        buttons=["download"],
                        elem_id="compare-video",
                    )
                    self.table = gr.HTML(padding=False)
                    with gr.Accordion("Code", open=False):
                        self.codes = [code(label, language) for label, language in CODE_LANGUAGES[:2]]
        self.kind.change(
            lambda kind: (
                gr.Column(visible=KINDS[kind] == "portraits"),
                gr.Row(visible=KINDS[kind] == "pose"),
                15 if KINDS[kind] == "pose" else 0,
            ),
            self.kind,
            [second, pose, self.yaw],
            **QUICK,
        )
        self._starters = [self.row.run, *(button for button, _, _ in buttons)]  # all rest during a run
        self._wire(self.row.run.click)
        self.row.stop.click(self._stop, self.row.name, [self.row.status, self.row.stop], **QUICK)
        for button, picture, sound in buttons:
            self._wire(button.click, {self.portrait: str(picture), self.speech: str(sound)})

    def _wire(self, trigger: Callable, sample: Data | None = None) -> None:
        row = self.row
        inputs = {
            row.name,
            self.kind,
            self.portrait,
            self.framing.state,
            self.second,
            self.yaw,
            self.pitch,
            self.roll,
            self.speech,
            self.seed,
        }
        outputs = [row.status, self.empty, self.done_box, self.video, self.table, *self.codes]
        started = trigger(
            (lambda: {**sample, **self._opened()}) if sample else self._begin,
            None if sample else {self.portrait, self.speech},
            [*(sample or ()), row.name, row.status, row.stop, *self._starters, self.empty, self.done_box],
            **CHECKED,
        )
        started.success(None, js=row.show, **PRIVATE)
        running = started.success(
            self._run,
            inputs,
            outputs,
            concurrency_id=GPU_QUEUE,
            concurrency_limit=1,
            show_progress="minimal",
            show_progress_on=row.status,
            **PRIVATE,
        )
        running.failure(self._failed, row.name, [row.status, row.stop, *self._starters], **QUICK)
        running.success(self._end, row.name, [row.stop, *self._starters], **QUICK)

    def _begin(self, data: Data) -> Data:
        with explained():
            if not data[self.portrait]:
                raise InputError("there is no portrait; add a picture or choose a sample")
            if not data[self.speech]:
                raise InputError("there is no speech; add a recording or choose a sample")
        return self._opened()

    def _opened(self) -> Data:
        return {
            self.row.name: self._stops.open(),
            self.row.status: status(WAITING, 0.0),
            self.row.stop: gr.Button(visible=True, interactive=True),
            **{button: gr.Button(interactive=False) for button in self._starters},
            self.empty: gr.HTML(visible=True),
            self.done_box: gr.Column(visible=False),
        }

    def _run(self, data: Data, request: gr.Request) -> Iterator[Data]:
        name = data[self.row.name]
        kind = KINDS[data[self.kind]]
        arguments: dict[str, Any] = {
            "portrait": data[self.portrait],
            "speech": data[self.speech],
            "kind": kind,
            "seed": data[self.seed],
            "crop": crop_for(data[self.framing.state], data[self.portrait]),
        }
        if kind == "portraits":
            arguments["second_portrait"] = data[self.second]
        if kind == "pose":
            arguments |= {"yaw": data[self.yaw], "pitch": data[self.pitch], "roll": data[self.roll]}
        yield {self.row.status: status("Reading the files…", 0.0)}
        try:
            with explained():
                events = self._studio.compare(**arguments, should_stop=lambda: self._stops.is_requested(name))
                for event in events:
                    if isinstance(event, CompareProgress):
                        yield {self.row.status: _progress(event)}
                        continue
                    call, address = Call("compare", arguments), address_of(request)
                    snippets = (
                        python_snippet(call, self._studio.settings.space or address),
                        curl_snippet(call, address),
                    )
                    yield {
                        self.row.status: status(f"Ready: {len(event.names)} variants.", tone="done"),
                        self.empty: gr.HTML(visible=False),
                        self.done_box: gr.Column(visible=True),
                        self.video: gr.Video(value=str(event.video), autoplay=True),
                        self.table: comparison_table(event.rows(), event.reports[0]),
                        **dict(zip(self.codes, snippets, strict=True)),
                    }
        finally:
            self._stops.close(name)

    def _stop(self, name: str | None) -> tuple[str, Any]:
        self._stops.request(name)
        return status("Stopping; what is made so far is being finished…", 1.0), gr.Button(interactive=False)

    def _failed(self, name: str | None) -> tuple[Any, ...]:
        return status(FAILED, tone="stopped"), *self._end(name)

    def _end(self, name: str | None) -> tuple[Any, ...]:
        self._stops.close(name)
        return gr.Button(visible=False), *(gr.Button(interactive=True) for _ in self._starters)


def _progress(event: CompareProgress) -> str:
    if event.run is None:
        return status("Putting the videos together…", 1.0)
    share = (event.index + event.run.done / max(event.run.total, 1)) / event.count
    return status(f"Variant {event.index + 1} of {event.count}: {event.name}", share)
