"""Where a result appears: live, finished, beside its source, in numbers, as files and as code."""

from collections.abc import Iterator
from dataclasses import asdict
from typing import Any

import gradio as gr

from imtalker.demo.errors import explained
from imtalker.demo.page.snippets import CODE_LANGUAGES, Call, cli_snippet, curl_snippet, python_snippet
from imtalker.demo.page.tables import check_table, finished_words, progress_words, status, timing_table
from imtalker.demo.page.widgets import PRIVATE, RunRow, code, picture_input
from imtalker.demo.runs.run import Finished, Progress
from imtalker.demo.runs.samples import Samples
from imtalker.demo.settings import Settings
from imtalker.errors import InputError

EMPTY = """
<div class="it-empty"><div>
<svg width="56" height="56" viewBox="0 0 48 48" fill="none" stroke="currentColor" stroke-width="2.2"
  stroke-linecap="round" aria-hidden="true"><rect x="4" y="9" width="40" height="30" rx="6"/>
  <path d="M20 18.500v11l9.500-5.500z"/></svg>
{words}</div></div>
"""

# Hand playback over from the live view to the finished video, at the same place, without a second start.
HAND_OVER = """
() => new Promise((resolve) => {
  const live = document.querySelector('#NAME-live video');
  const seen = live && live.currentTime > 0;
  const from = seen && !live.ended ? live.currentTime : 0;
  let tries = 0;
  const take = () => {
    const done = document.querySelector('#NAME-video video');
    if (!done || done.readyState < 2) {
      if (tries++ < 50) return setTimeout(take, 100);
      return resolve();
    }
    if (live) live.pause();
    if (from > 0 && from < done.duration) done.currentTime = from;
    if (!(seen && live.ended)) done.play().catch(() => {});
    resolve();
  };
  take();
})
"""


class ResultPanel:
    """Widgets for one run.

    Args:
        name: prefix of element ids, unique on the page.
        words: shown while there is no result.
    """

    def __init__(self, name: str, settings: Settings, samples: Samples, words: str):
        self._settings = settings
        self.hand_over = HAND_OVER.replace("NAME", name)
        self.empty = gr.HTML(EMPTY.format(words=words), padding=False)
        with gr.Column(visible=False) as self.live_box:
            self.live = gr.Video(
                label="Live, while it is being drawn",
                show_label=False,
                streaming=True,
                autoplay=True,
                interactive=False,
                height=420,
                buttons=[],
                elem_id=f"{name}-live",
            )
        with gr.Column(visible=False) as self.done_box:
            self.video = gr.Video(
                label="Finished video",
                show_label=False,
                interactive=False,
                height=420,
                buttons=[],
                elem_id=f"{name}-video",
            )
            with gr.Row():
                self.files = [
                    gr.DownloadButton(words, size="sm", min_width=90, variant="secondary")
                    for words in ("Video (MP4)", "Motion", "Recipe")
                ]
            with gr.Tabs():
                with gr.Tab("Side by side", elem_id=f"{name}-tab-beside"):
                    self.beside = gr.Video(
                        show_label=False, interactive=False, height=300, buttons=[], elem_id=f"{name}-beside"
                    )
                with gr.Tab("Numbers", elem_id=f"{name}-tab-numbers"):
                    self.timing = gr.HTML(padding=False)
                    self.check = gr.Button("Check the result", size="sm")
                    self.findings = gr.HTML(padding=False)
                with gr.Tab("Another portrait", elem_id=f"{name}-tab-next"):
                    gr.Markdown("The same motion, another face: only the drawing is done again.")
                    self.next_portrait = picture_input(
                        "Another portrait", samples.portraits, height=220, name=f"{name}-next"
                    )
                    self.apply = gr.Button("Use this motion on it", variant="primary")
                with gr.Tab("Code", elem_id=f"{name}-tab-code"):
                    gr.Markdown("Repeats exactly this run; put your files beside it.")
                    self.codes = [code(label, language) for label, language in CODE_LANGUAGES]
        self.last = gr.State({})  # files of the run shown
        self.check.click(
            check_result,
            self.last,
            self.findings,
            concurrency_id="check",
            concurrency_limit=1,
            **PRIVATE,
        )

    @property
    def outputs(self) -> list[Any]:
        """Everything ``show`` writes to."""
        boxes = [self.empty, self.live_box, self.live, self.done_box]
        shown = [self.video, self.beside, self.timing, self.findings]
        return [*boxes, *shown, *self.files, *self.codes, self.last]

    def clear(self) -> dict[Any, Any]:
        """Before a run."""
        return {
            self.empty: gr.HTML(visible=True),
            self.live_box: gr.Column(visible=False),
            self.done_box: gr.Column(visible=False),
        }

    def show(
        self, events: Iterator[Progress | Finished], row: RunRow, call: Call, sound: str | None, address: str
    ) -> Iterator[dict[Any, Any]]:
        """Updates of the widgets while a run goes on."""
        for event in events:
            if isinstance(event, Finished):
                yield self._finished(event, row, call, sound, address)
                continue
            words = progress_words(event.done, event.total, event.seconds)
            line = {row.status: status(words, event.done / max(event.total, 1))}
            if not event.pieces:
                yield line
            for piece in event.pieces:
                box = {self.live_box: gr.Column(visible=True), self.empty: gr.HTML(visible=False)}
                yield {**line, **box, self.live: str(piece)}

    def _finished(self, event: Finished, row: RunRow, call: Call, sound: str | None, address: str) -> dict[Any, Any]:
        report = event.report
        paths = (event.video, event.motion, event.recipe)
        files = {button: str(path) for button, path in zip(self.files, paths, strict=True)}
        snippets = (
            python_snippet(call, self._settings.space or address),
            curl_snippet(call, address),
            cli_snippet(call, report["preset"]),
        )
        words = finished_words(report, report.get("kept", False))
        return {
            row.status: status(words, tone="stopped" if report["stopped"] else "done"),
            self.empty: gr.HTML(visible=False),
            self.done_box: gr.Column(visible=True),
            self.video: str(event.video),
            self.beside: str(event.side_by_side) if event.side_by_side else None,
            self.timing: timing_table(report),
            self.findings: "",
            self.last: {
                "video": str(event.video),
                "motion": str(event.motion),
                "sound": sound,
                "portrait": call.arguments.get("portrait"),
            },
            **files,
            **dict(zip(self.codes, snippets, strict=True)),
        }


def check_result(last: dict[str, str | None]) -> str:
    """Judge the finished video: lips and sound, identity, steadiness, what was asked for."""
    from imtalker.evaluate.check import check_video  # its models are needed by few visitors

    with explained():
        video = last.get("video")
        if not video:
            raise InputError("there is no result to check; make a video first")
        report = check_video(video, portrait=last.get("portrait"))
    return check_table([{**asdict(item), "value_text": item.value_text} for item in report.findings])


def address_of(request: gr.Request) -> str:
    """How the visitor reaches this app, for the snippets."""
    host = request.headers.get("x-forwarded-host") or request.headers.get("host") or "127.0.0.1:7860"
    scheme = request.headers.get("x-forwarded-proto", "http").split(",")[0]
    return f"{scheme}://{host}/"
