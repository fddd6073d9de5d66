"""Groups of widgets the tabs share."""

from pathlib import Path
from typing import Any, Literal, TypeVar

import gradio as gr
from PIL import Image

from imtalker.demo.page.tables import status
from imtalker.demo.runs.files import new_folder
from imtalker.demo.runs.options import Option
from imtalker.demo.runs.samples import PICTURES, Samples
from imtalker.demo.settings import MAX_UPLOAD
from imtalker.media.image import load_portrait

FileInput = TypeVar("FileInput", gr.Image, gr.File)
PRIVATE: dict[str, Any] = {"api_visibility": "private"}
QUICK: dict[str, Any] = {**PRIVATE, "queue": False, "show_progress": "hidden"}
# For handlers that may complain: the page shows no message for an error outside of the queue.
CHECKED: dict[str, Any] = {**PRIVATE, "concurrency_limit": None, "show_progress": "hidden"}

UPLOAD = f"up to {MAX_UPLOAD.upper().removesuffix('MB')} MB"
HEIC = (".heic", ".heif")  # what phones take and browsers cannot show


def pass_file_through(component: FileInput) -> FileInput:
    """Let an input hand over the file as it was sent: reading it, and complaining about it, is ours.

    (Gradio would open pictures and fail without a remedy, and leave an empty copy of other files behind.)
    """
    usual = component.preprocess

    def preprocess(payload: Any) -> Any:
        drawn = payload is not None and payload.url and payload.url.startswith("data:")
        return usual(payload) if payload is None or drawn else payload.path

    component.preprocess = preprocess
    return component


def picture_input(option: Option, samples: Samples, height: int = 280, name: str | None = None) -> gr.Image:
    """Upload, camera or clipboard, with sample pictures below; ``name`` is the element id of these."""
    picture = pass_file_through(
        gr.Image(
            label=option.label,
            type="filepath",
            sources=["upload", "webcam", "clipboard"],
            image_mode=None,
            height=height,
            buttons=[],
            placeholder=f"Drop a picture of one face here\n{UPLOAD}",
        )
    )
    picture.upload(as_shown, picture, picture, **CHECKED)
    _thumbnails(picture, samples, samples.portraits, "Sample portraits", name)
    return picture


def as_shown(path: str | None) -> Any:
    """A photograph that browsers cannot show, as a JPEG that they can; everything else stays."""
    if not path or Path(path).suffix.lower() not in HEIC:
        return gr.skip()
    shown = new_folder() / f"{Path(path).stem}.jpg"
    Image.fromarray(load_portrait(path)).save(shown, quality=95)
    return str(shown)


def speech_input(option: Option, samples: Samples, seconds: str) -> gr.Audio:
    """Upload or microphone, with sample recordings below; ``seconds`` says how long it may be."""
    speech = gr.Audio(label=option.label, type="filepath", sources=["upload", "microphone"], buttons=[])
    hint(f"Sound or video, {seconds}, {UPLOAD}")
    _thumbnails(speech, samples, samples.speech, "Sample speech")
    return speech


def clip_input(option: Option, samples: Samples, height: int = 300) -> gr.Video:
    """Upload or camera, with sample clips below."""
    clip = gr.Video(
        label=option.label,
        sources=["upload", "webcam"],
        height=height,
        buttons=[],
        elem_classes="it-clip",
        webcam_options=gr.WebcamOptions(mirror=False),
    )
    hint(f"One person, {UPLOAD}: a longer clip from a phone has to be cut or made smaller first")
    _thumbnails(clip, samples, samples.driving, "Sample clips")
    return clip


def one_click(samples: Samples, chosen: list[tuple[Path, Path]], heading: str) -> list[tuple[gr.Button, Path, Path]]:
    """Buttons that run a sample: picture or clip, then what is said or done."""
    if not chosen:
        return []
    gr.HTML(f"<p class='it-step'>{heading}</p>", padding=False)
    buttons = []
    with gr.Row(elem_classes="it-samples"):
        for picture, other in chosen:
            words = f"{samples.caption(picture)}: {samples.caption(other)}"
            words = words[:1].upper() + words[1:]
            icon = picture if picture.suffix.lower() in PICTURES else None  # a clip is none
            button = gr.Button(words, icon=icon, variant="secondary", min_width=150, size="md")
            buttons.append((button, picture, other))
    return buttons


# On a phone the result is below the inputs: bring what happens into view, unless it is already. The inputs above grow
# while a sample fills them, so this is looked at several times, until the visitor scrolls.
SHOW_RUN = """
() => {
  let tries = 4;
  const leave = () => { tries = 0; };
  for (const kind of ['wheel', 'touchmove']) addEventListener(kind, leave, {once: true, passive: true});
  const show = () => {
    const row = document.querySelector('#NAME');
    if (!row || tries-- <= 0) return;
    if (row.getBoundingClientRect().top > 0.5 * innerHeight) row.scrollIntoView({behavior: 'smooth'});
    if (tries > 0) setTimeout(show, 900);
  };
  setTimeout(show, 600);
}
"""


class RunRow:
    """The button that starts, the one that stops, and the line that tells what happens.

    Args:
        name: element id, unique on the page.
        idle: said before the first run.
    """

    def __init__(self, name: str, words: str, idle: str):
        self.show = SHOW_RUN.replace("NAME", name)  # script that brings it into view
        with gr.Row(elem_id=name):
            self.run = gr.Button(words, variant="primary", size="lg", scale=3)
            self.stop = gr.Button("Stop", variant="stop", size="lg", scale=1, min_width=90, visible=False)
        self.status = gr.HTML(status(idle, tone="idle"), padding=False)
        self.name = gr.Textbox(visible="hidden", elem_id=f"{name}-name")  # of the run shown; the address takes it


def slider(option: Option, value: float, **more: Any) -> gr.Slider:
    """A number within the limits of its option."""
    limits = option.slider
    look: dict[str, Any] = {"min_width": 140, "elem_classes": "it-slim"} if option.label.endswith("°") else {}
    return gr.Slider(
        limits.least, limits.most, value, step=option.step, label=option.label, info=option.info or None, **look, **more
    )


def number(option: Option, value: float, **more: Any) -> gr.Number:
    """A number to be typed."""
    limits = option.slider
    return gr.Number(
        value,
        precision=0 if limits.whole else None,
        minimum=limits.least,
        maximum=limits.most,
        label=option.label,
        info=option.info or None,
        **more,
    )


def switch(option: Option, value: bool) -> gr.Checkbox:
    """Yes or no."""
    return gr.Checkbox(value, label=option.label, info=option.info or None, min_width=150)


def code(label: str, language: Literal["python", "shell"]) -> gr.Code:
    """Lines to copy."""
    return gr.Code(label=label, language=language, interactive=False, wrap_lines=True, show_line_numbers=False)


def hint(words: str) -> None:
    """A line in small print, below a field."""
    gr.HTML(f"<p class='it-limit'>{words}</p>", padding=False)


def _thumbnails(
    target: gr.Image | gr.Audio | gr.Video, samples: Samples, paths: list[Path], label: str, name: str | None = None
) -> None:
    """Samples that fill a component when clicked; recordings by what is said in them."""
    if not paths:
        return
    as_picture = isinstance(target, gr.Image | gr.Video)
    shown = gr.Dataset(
        components=[type(target)(render=False) if as_picture else gr.Textbox(render=False)],
        samples=[[str(path) if as_picture else samples.caption(path)] for path in paths],
        label=label,
        type="index",
        layout="gallery",
        samples_per_page=12,
        elem_id=name,
        elem_classes="it-thumbs" if as_picture else None,
    )
    files = [str(path) for path in paths]
    shown.click(lambda index: files[index], shown, target, **QUICK)
