"""The preview of the crop that a visitor can correct: choose a face, click, zoom, shift."""

from dataclasses import dataclass, field, replace
from html import escape
from typing import Any

import cv2
import gradio as gr
import numpy as np

from imtalker.demo.models import ModelHost
from imtalker.demo.page.crop_preview import (
    FaceReport,
    adjusted,
    describe_faces,
    draw,
    face_at,
    face_report,
    square_at,
)
from imtalker.demo.runs.options import check_present
from imtalker.demo.settings import LOOK_QUEUE
from imtalker.errors import NoFaceError
from imtalker.faces.remarks import clip_remarks
from imtalker.media.crop import CropBox
from imtalker.media.framing import format_crop
from imtalker.media.image import load_portrait
from imtalker.media.video import sample_frames

WHOLE, BY_HAND = "Whole picture", "My own square"
NO_FACE = (
    "No face was found (animals and drawings are seldom recognised). Click on the picture where the face is, or use "
    "the whole picture."
)
VERDICTS = {"good": "Good to go", "fair": "Will work, with limits", "poor": "Not a good fit"}


@dataclass(frozen=True)
class Framed:
    """What is known about one picture or clip; lives in the visitor's session."""

    path: str | None = None
    is_clip: bool = False
    reports: list[FaceReport] = field(default_factory=list)
    hand: CropBox | None = None  # the square set by a click
    crop: str = "auto"  # what the run is asked for
    scale: float = 1.0  # of the drawn preview


def crop_for(framed: Framed | None, path: str | None) -> str:
    """The crop to use for a file: what was set for exactly this file, else automatic."""
    return framed.crop if framed is not None and framed.path == path else "auto"


class FramingPanel:
    """Widgets and behaviour; call ``watch`` with the component that holds the picture or clip."""

    def __init__(self, host: ModelHost, label: str, is_clip: bool = False):
        self._host, self._label, self._is_clip = host, label, is_clip
        self.state = gr.State(Framed(is_clip=is_clip))
        with gr.Accordion(label, open=False, visible=False) as self.box:
            self.verdict = gr.HTML()
            self.preview = gr.Image(
                label="Preview: click on a face or on a place",
                type="numpy",
                interactive=False,
                height=320,
                buttons=[],
                alt_text="Preview of the square that will be animated, faces are numbered",
            )
            self.choice = gr.Radio([WHOLE], value=WHOLE, label="What is animated", show_label=True)
            with gr.Row():
                self.zoom = gr.Slider(50, 200, 100, step=1, label="Size, %", min_width=120, elem_classes="it-slim")
                self.right = gr.Slider(
                    -50, 50, 0, step=1, label="Shift right, %", min_width=120, elem_classes="it-slim"
                )
                self.up = gr.Slider(-50, 50, 0, step=1, label="Shift up, %", min_width=120, elem_classes="it-slim")

    def watch(self, source: gr.Image | gr.Video) -> None:
        """Analyse whatever the component holds, and answer to changes by hand."""
        hidden: dict[str, Any] = {"api_visibility": "private", **LOOK_QUEUE}
        sliders = [self.zoom, self.right, self.up]
        drawn = [self.state, self.preview, self.verdict]
        source.change(
            self._analyse,
            [source],
            [*drawn, self.box, self.choice, *sliders],
            show_progress="minimal",
            show_progress_on=self.verdict,
            trigger_mode="always_last",
            **hidden,
        )
        gr.on(
            [self.choice.input, *(slider.release for slider in sliders)],
            self._adjust,
            [self.state, self.choice, *sliders],
            [*drawn, self.box],
            show_progress="hidden",
            trigger_mode="always_last",
            **hidden,
        )
        self.preview.select(
            self._click,
            [self.state, self.choice],
            [*drawn, self.box, self.choice, *sliders],
            show_progress="hidden",
            **hidden,
        )

    # ---- behaviour ----

    def _analyse(self, path: str | None) -> dict[Any, Any]:
        reset = {self.zoom: 100, self.right: 0, self.up: 0}
        if not path:
            empty = Framed(is_clip=self._is_clip)
            return {self.state: empty, self.box: gr.Accordion(visible=False), self.preview: None, **reset}
        image, reports = self._reports(path)
        crop = "auto" if reports else "none"
        framed = Framed(path, self._is_clip, reports, None, crop)
        choice = face_name(0) if reports else WHOLE
        framed, picture, verdict = _drawn(framed, image, choice, 100, 0, 0)
        return {
            self.state: framed,
            self.preview: picture,
            self.verdict: verdict,
            self.box: gr.Accordion(
                label=self._headline(framed, choice),
                visible=True,
                open=len(reports) != 1 or reports[0].level == "poor",
            ),
            self.choice: gr.Radio(choices(framed), value=choice),
            **reset,
        }

    def _adjust(self, framed: Framed, choice: str, zoom: float, right: float, up: float) -> dict[Any, Any]:
        if framed.path is None:
            return {self.state: framed}
        framed, picture, verdict = _drawn(framed, self._image(framed.path), choice, zoom, right, up)
        headline = gr.Accordion(label=self._headline(framed, choice))
        return {self.state: framed, self.preview: picture, self.verdict: verdict, self.box: headline}

    def _click(self, framed: Framed, choice: str, event: gr.SelectData) -> dict[Any, Any]:
        if framed.path is None:
            return {self.state: framed}
        x, y = (value / framed.scale for value in event.index[:2])
        image = self._image(framed.path)
        face = face_at(framed.reports, x, y)
        if face is None:
            now = base_square(framed, choice)
            hand = square_at(x, y, image.shape[:2], now.side if now else None)
            framed, choice = replace(framed, hand=hand), BY_HAND
        else:
            choice = face_name(face)
        framed, picture, verdict = _drawn(framed, image, choice, 100, 0, 0)
        return {
            self.state: framed,
            self.preview: picture,
            self.verdict: verdict,
            self.box: gr.Accordion(label=self._headline(framed, choice)),
            self.choice: gr.Radio(choices(framed), value=choice),
            self.zoom: 100,
            self.right: 0,
            self.up: 0,
        }

    def _headline(self, framed: Framed, choice: str) -> str:
        """The verdict, readable while the panel is closed."""
        report = next((r for r in framed.reports if face_name(r.index) == choice), None)
        if report is not None:
            return f"{self._label}: {VERDICTS[report.level].lower()}"
        return f"{self._label}: {'no face found' if not framed.reports and choice == WHOLE else choice.lower()}"

    def _image(self, path: str) -> np.ndarray:
        return self._reports(path)[0] if self._is_clip else self._picture(path)

    def _picture(self, path: str) -> np.ndarray:
        check_present(path, "clip" if self._is_clip else "picture")
        return load_portrait(path)

    def _reports(self, path: str) -> tuple[np.ndarray, list[FaceReport]]:
        """The picture that is shown, and its faces; of a clip the first picture with a face, and who is followed."""
        framing = self._host.pipeline().framing
        if not self._is_clip:
            image = self._picture(path)
            return image, describe_faces(image, framing)
        check_present(path, "clip")
        try:
            clip = framing.clip(path)
        except NoFaceError:
            return next(sample_frames(path)), []
        assert clip.first_picture is not None
        height, width = clip.size
        image = cv2.resize(clip.first_picture, (width, height), interpolation=cv2.INTER_CUBIC)
        return image, [face_report(0, clip.faces[0], clip.box, (*clip.remarks, *clip_remarks(clip)))]


def face_name(index: int) -> str:
    """As on the picture, where people count from 1."""
    return f"Face {index + 1}"


def choices(framed: Framed) -> list[str]:
    """What can be animated."""
    names = [face_name(report.index) for report in framed.reports]
    return [*names, WHOLE, *([BY_HAND] if framed.hand else [])]


def base_square(framed: Framed, choice: str) -> CropBox | None:
    """The square before zoom and shift; None: the whole picture."""
    if choice == BY_HAND:
        return framed.hand
    report = next((r for r in framed.reports if face_name(r.index) == choice), None)
    return None if report is None else report.crop


def _drawn(
    framed: Framed, image: np.ndarray, choice: str, zoom: float, right: float, up: float
) -> tuple[Framed, np.ndarray, str]:
    square = base_square(framed, choice)
    untouched = (zoom, right, up) == (100, 0, 0)
    report = next((r for r in framed.reports if face_name(r.index) == choice), None)
    if square is not None and not untouched:
        square = adjusted(square, zoom, right, up, image.shape[:2])
    is_automatic = untouched and report is not None and report.index == 0
    crop = "auto" if is_automatic else format_crop(square)
    picture, scale = draw(image, framed.reports, report.index if report else None, square)
    return replace(framed, crop=crop, scale=scale), picture, verdict_html(framed, choice, report)


def verdict_html(framed: Framed, choice: str, report: FaceReport | None) -> str:
    """The traffic light in words."""
    if report is None and not framed.reports and choice == WHOLE:
        return f"<div class='it-verdict it-fair'><b>No face found</b><p>{NO_FACE}</p></div>"
    if report is None:
        words = "The whole picture is animated" if choice == WHOLE else "Your own square is animated"
        hint = "It should hold one face, upright, with some room above the hair."
        return f"<div class='it-verdict it-fair'><b>{words}</b><p>{hint}</p></div>"
    count = len(framed.reports)
    which = f"{face_name(report.index)} of {count}. " if count > 1 else ""
    remarks = "".join(f"<li>{escape(remark[:1].upper() + remark[1:])}.</li>" for remark in report.remarks)
    items = f"<ul>{remarks}</ul>" if remarks else ""
    return f"<div class='it-verdict it-{report.level}'><b>{which}{VERDICTS[report.level]}</b>{items}</div>"
