"""Where a result appears: live, finished, beside its source, in numbers, as files and as code."""

from collections.abc import Iterator
from dataclasses import asdict
from typing import Any

import gradio as gr

from imtalker.demo.page.snippets import CODE_LANGUAGES, cli_snippet, curl_snippet, python_snippet
from imtalker.demo.page.tables import check_table, finished_words, progress_words, remark_list, status, timing_table
from imtalker.demo.page.widgets import PRIVATE, code, picture_input
from imtalker.demo.runs.common_options import PORTRAIT
from imtalker.demo.runs.live import Event
from imtalker.demo.runs.options import Request, check_present
from imtalker.demo.runs.requests import MotionRequest
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
        again: offer the motion of the result for another portrait.
    """

    def __init__(self, name: str, settings: Settings, samples: Samples, words: str, again: bool = True):
        self._settings = settings
        self.hand_over = HAND_OVER.replace("NAME", name)
        self._placeholder = EMPTY.format(words=words)
        self.empty = gr.HTML(self._placeholder, padding=False)
        with gr.Column(visible=False) as self.live_box:
            self.live = gr.Video(
                label="Live, while it is being drawn",
                show_label=False,
                streaming=True,
                autoplay=True,
                interactive=False,
                height=512,
                buttons=[],
                elem_id=f"{name}-live",
                elem_classes="it-big",
            )
        with gr.Column(visible=False) as self.done_box:
            self.video = gr.Video(
                label="Finished video",
                show_label=False,
                interactive=False,
                height=512,
                buttons=[],
                elem_id=f"{name}-video",
                elem_classes="it-big",
            )
            with gr.Row():
                self.files = [
                    gr.DownloadButton(words, size="sm", min_width=90, variant="secondary")
                    for words in ("Video (MP4)", "Motion", "Recipe")
                ]
            self.remarks = gr.HTML(padding=False, visible=False)
            with gr.Tabs(elem_classes="it-result-tabs"):
                with gr.Tab("Side by side", elem_id=f"{name}-tab-beside"):
                    self.beside = gr.Video(
                        show_label=False,
                        interactive=False,
                        height=320,
                        buttons=[],
                        elem_id=f"{name}-beside",
                        elem_classes="it-pair",
                    )
                with gr.Tab("Numbers", elem_id=f"{name}-tab-numbers"):
                    self.timing = gr.HTML(padding=False)
                    self.check = gr.Button("Check the result", size="sm")
                    self.findings = gr.HTML(padding=False)
                self.next_portrait: gr.Image | None = None
                self.apply: gr.Button | None = None
                if again:
                    with gr.Tab("Another face", elem_id=f"{name}-tab-next"):
                        gr.Markdown("The same motion, another face: only the drawing is done again.")
                        self.next_portrait = picture_input(PORTRAIT, samples, height=220, name=f"{name}-next")
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
        shown = [self.video, self.remarks, self.beside, self.timing, self.findings]
        return [*boxes, *shown, *self.files, *self.codes, self.last]

    def clear(self) -> dict[Any, Any]:
        """Before a run."""
        return {
            self.empty: gr.HTML(self._placeholder, visible=True),  # whatever greeted there
            self.live_box: gr.Column(visible=False),
            self.done_box: gr.Column(visible=False),
        }

    def show(self, event: Event, request: Request, address: str) -> Iterator[dict[Any, Any]]:
        """Changes for one event; the line under the button has the key ``None``."""
        if isinstance(event, Finished):
            yield self._finished(event, request, address)
        elif isinstance(event, Progress):
            words = progress_words(event.done, event.total, event.seconds, event.fps, event.looking, event.adapting)
            line = {None: status(words, event.done / max(event.total, 1))}
            if not event.pieces:
                yield line
            for piece in event.pieces:
                box = {self.live_box: gr.Column(visible=True), self.empty: gr.HTML(visible=False)}
                yield {**line, **box, self.live: str(piece)}

    def again(self, data: dict[Any, Any], **output: Any) -> MotionRequest:
        """The motion of the result on the other portrait.

        Raises:
            InputError: no portrait, or the result has been cleared away.
        """
        last = data[self.last]
        if not data[self.next_portrait]:
            raise InputError("there is no other portrait; add a picture or choose a sample")
        return MotionRequest(data[self.next_portrait], last.get("motion"), last.get("sound"), **output)

    def _finished(self, event: Finished, request: Request, address: str) -> dict[Any, Any]:
        report = event.report
        paths = (event.video, event.motion, event.recipe)
        files = {button: str(path) for button, path in zip(self.files, paths, strict=True)}
        snippets = (
            python_snippet(request, self._settings.space or address),
            curl_snippet(request, address),
            cli_snippet(request, report["preset"]),
        )
        words = finished_words(report, report.get("kept", False))
        given = request.given()
        return {
            None: status(words, tone="stopped" if report["stopped"] else "done"),
            self.empty: gr.HTML(visible=False),
            self.done_box: gr.Column(visible=True),
            self.video: str(event.video),
            self.beside: str(event.side_by_side) if event.side_by_side else None,
            self.remarks: gr.HTML(remarks := remark_list(report), visible=bool(remarks)),
            self.timing: timing_table(report),
            self.findings: "",
            self.last: {
                "video": str(event.video),
                "motion": str(event.motion),
                "sound": (given.get(request.heard) or _spoken(event, given)) if given.get("keep_sound", True) else None,
                "portrait": given.get("portrait"),
            },
            **files,
            **dict(zip(self.codes, snippets, strict=True)),
        }


def _spoken(event: Finished, given: dict[str, Any]) -> str | None:
    """Where the sound of a spoken text is kept: in the video."""
    return str(event.video) if given.get("text") else None


def check_result(last: dict[str, str | None]) -> str:
    """Judge the finished video: lips and sound, identity, steadiness, what was asked for."""
    from imtalker.evaluate.check import check_video  # its models are needed by few visitors

    video, portrait = last.get("video"), last.get("portrait")
    if not video:
        raise InputError("there is no result to check; make a video first")
    check_present(video, "result")
    if portrait:
        check_present(portrait, "portrait")
    report = check_video(video, portrait=portrait)
    return check_table([{**asdict(item), "value_text": item.value_text} for item in report.findings])
