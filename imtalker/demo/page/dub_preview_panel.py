"""The preview of a clip that is going to be dubbed: who is followed, and where the new mouth will be."""

from dataclasses import dataclass
from html import escape
from typing import Any

import gradio as gr

from imtalker.demo.errors import sentence
from imtalker.demo.page.crop_preview import level_of
from imtalker.demo.page.framing_panel import VERDICTS, face_name
from imtalker.demo.runs.options import check_present
from imtalker.demo.settings import LOOK_QUEUE
from imtalker.dubbing.preview import DubPreview
from imtalker.errors import ImTalkerError

TITLE = "Face and new mouth"


@dataclass(frozen=True)
class Chosen:
    """Whose lips, in which clip; lives in the visitor's session."""

    path: str | None = None
    face: int | None = None  # None: it is left open, as there is only one, or one is clearly the largest


class DubPreviewPanel:
    """Widgets and behaviour; call ``watch`` with the component that holds the clip."""

    def __init__(self) -> None:
        self.state = gr.State(Chosen())
        with gr.Accordion(TITLE, open=False, visible=False) as self.box:
            self.verdict = gr.HTML()
            self.picture = gr.Image(
                label="The new mouth is drawn where the clip is tinted",
                type="numpy",
                interactive=False,
                height=230,
                buttons=[],
                alt_text="Moments of the clip; the part that is drawn anew is tinted, people are numbered",
            )
            self.choice = gr.Radio([face_name(0)], value=face_name(0), label="Whose lips", visible=False)

    def watch(self, source: gr.Video) -> None:
        """Look at whatever clip the component holds, and let the person be chosen."""
        hidden: dict[str, Any] = {"api_visibility": "private", **LOOK_QUEUE}
        shown = [self.state, self.box, self.verdict, self.picture]
        source.change(
            self._look, source, [*shown, self.choice], show_progress="hidden", trigger_mode="always_last", **hidden
        )
        self.choice.input(
            self._choose, [self.choice, source], shown, show_progress="hidden", trigger_mode="always_last", **hidden
        )

    @staticmethod
    def face(chosen: Chosen | None, path: str | None) -> int | None:
        """The face to ask for: what was chosen for exactly this clip."""
        return chosen.face if chosen is not None and chosen.path == path else None

    def _look(self, path: str | None) -> dict[Any, Any]:
        if not path:
            return {self.state: Chosen(), self.box: gr.Accordion(visible=False), self.picture: None}
        check_present(path, "clip")
        try:
            preview = DubPreview.of(path)
        except ImTalkerError as error:
            words = (
                f"<div class='it-verdict it-poor'><b>{VERDICTS['poor']}</b><p>{escape(sentence(str(error)))}</p></div>"
            )
            box = gr.Accordion(label=f"{TITLE}: {VERDICTS['poor'].lower()}", visible=True, open=True)
            return {self.state: Chosen(path), self.box: box, self.verdict: words, self.picture: None}
        names = [face_name(index) for index in range(max(1, len(preview.people)))]
        chosen = Chosen(path, 0 if preview.must_choose else None)
        choice = gr.Radio(names, value=names[0], visible=len(names) > 1)
        return {**self._shown(preview, chosen, 0), self.choice: choice}

    def _choose(self, name: str, path: str | None) -> dict[Any, Any]:
        if not path:
            return {self.state: Chosen()}
        check_present(path, "clip")
        preview = DubPreview.of(path)
        face = next((index for index in range(len(preview.people)) if face_name(index) == name), 0)
        return self._shown(preview, Chosen(path, face), face)

    def _shown(self, preview: DubPreview, chosen: Chosen, face: int) -> dict[Any, Any]:
        remarks = preview.remarks(face)
        level = level_of(remarks)
        items = "".join(f"<li>{escape(sentence(remark.words))}</li>" for remark in remarks)
        info = preview.clip.info
        facts = f"{info.width}×{info.height}, {float(preview.clip.fps):.4g} frames per second: the result has the same."
        return {
            self.state: chosen,
            self.box: gr.Accordion(label=f"{TITLE}: {VERDICTS[level].lower()}", visible=True, open=True),
            self.verdict: (
                f"<div class='it-verdict it-{level}'><b>{VERDICTS[level]}</b><p>{facts}</p>"
                + (f"<ul>{items}</ul></div>" if items else "</div>")
            ),
            self.picture: preview.strip(face),
        }
