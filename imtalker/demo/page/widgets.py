"""Groups of widgets the tabs share."""

import random
from collections.abc import Sequence
from pathlib import Path
from typing import Any, Literal, TypeVar

import gradio as gr

from imtalker.config import SamplingOptions
from imtalker.demo.page.tables import status
from imtalker.demo.runs.jobs import MAX_SEED, MAX_STEPS
from imtalker.demo.runs.samples import pairs, title
from imtalker.demo.settings import MAX_GAZE, MAX_POSE, SOLVERS

FileInput = TypeVar("FileInput", gr.Image, gr.File)
PRIVATE: dict[str, Any] = {"api_visibility": "private"}
QUICK: dict[str, Any] = {**PRIVATE, "queue": False, "show_progress": "hidden"}
# For handlers that may complain: the page shows no message for an error outside of the queue.
CHECKED: dict[str, Any] = {**PRIVATE, "concurrency_limit": None, "show_progress": "hidden"}

FREE, HELD, FROM_CLIP = "Moves freely", "Holds a pose", "Moves as in a clip"
EYES_FREE, EYES_FIXED = "Move freely", "Look to one side"


def as_sent(component: FileInput) -> FileInput:
    """Let an input hand over the file as it was sent: reading it, and complaining about it, is ours.

    (Gradio would open pictures and fail without a remedy, and leave an empty copy of other files behind.)
    """
    usual = component.preprocess

    def preprocess(payload: Any) -> Any:
        drawn = payload is not None and payload.url and payload.url.startswith("data:")
        return usual(payload) if payload is None or drawn else payload.path

    component.preprocess = preprocess
    return component


def picture_input(label: str, samples: list[Path], height: int = 280, name: str | None = None) -> gr.Image:
    """Upload, camera or clipboard, with sample pictures below; ``name`` is the element id of these."""
    picture = as_sent(
        gr.Image(
            label=label,
            type="filepath",
            sources=["upload", "webcam", "clipboard"],
            image_mode=None,
            height=height,
            buttons=[],
            placeholder="Drop a picture of one face here",
        )
    )
    _thumbnails(picture, samples, "Sample portraits", name)
    return picture


def speech_input(label: str, samples: list[Path]) -> gr.Audio:
    """Upload or microphone, with sample recordings below."""
    speech = gr.Audio(label=label, type="filepath", sources=["upload", "microphone"], buttons=[])
    _thumbnails(speech, samples, "Sample speech")
    return speech


def clip_input(label: str, samples: list[Path], height: int = 300) -> gr.Video:
    """Upload or camera, with sample clips below."""
    clip = gr.Video(
        label=label,
        sources=["upload", "webcam"],
        height=height,
        buttons=[],
        elem_classes="it-clip",
        webcam_options=gr.WebcamOptions(mirror=False),
    )
    _thumbnails(clip, samples, "Sample clips")
    return clip


def one_click(
    first: list[Path], second: list[Path], count: int = 4, heading: str = "See it talk at one click"
) -> list[tuple[gr.Button, Path, Path]]:
    """Buttons that run a sample: picture, then the names of picture and sound."""
    chosen = pairs(first, second, count)
    if not chosen:
        return []
    gr.HTML(f"<p class='it-step'>{heading}</p>", padding=False)
    buttons = []
    with gr.Row(elem_classes="it-samples"):
        for picture, other in chosen:
            words = f"{title(picture)}, “{title(other)}”"
            button = gr.Button(words, icon=picture, variant="secondary", min_width=150, size="md")
            buttons.append((button, picture, other))
    return buttons


class SamplingPanel:
    """How motion is drawn from the model.

    Args:
        defaults: where the sliders start.
    """

    def __init__(self, defaults: SamplingOptions) -> None:
        self._defaults = defaults
        with gr.Accordion("Quality and seed", open=False):
            self.steps = gr.Slider(
                1,
                MAX_STEPS,
                defaults.num_steps,
                step=1,
                label="Steps",
                info="Network evaluations per two seconds; more is slower",
            )
            self.guidance = gr.Slider(
                1, 5, defaults.guidance_scale, step=0.1, label="Guidance", info="How closely the lips follow; 1 is off"
            )
            self.solver = gr.Dropdown(
                list(SOLVERS), value=defaults.solver, label="Solver", info="Midpoint and Heun need even steps"
            )
            with gr.Row(equal_height=True):
                self.seed = gr.Number(
                    defaults.seed,
                    precision=0,
                    minimum=0,
                    maximum=MAX_SEED,
                    label="Seed",
                    info="Same seed, same video",
                    scale=3,
                    min_width=120,
                )
                dice = gr.Button("Random seed", scale=1, min_width=110, size="sm")
        dice.click(lambda: random.randint(0, 999_999), None, self.seed, **QUICK)

    @property
    def tuned(self) -> list[gr.components.Component]:
        """What depends on the preset, in the order of ``tune``."""
        return [self.steps, self.guidance, self.solver]

    def tune(self, loaded: SamplingOptions) -> list[Any]:
        """Values for a preset other than the expected one; a slider that is right already is left alone."""
        names = ("num_steps", "guidance_scale", "solver")
        values = [(getattr(loaded, name), getattr(self._defaults, name)) for name in names]
        return [gr.skip() if value == expected else value for value, expected in values]


class HeadPanel:
    """Head and eyes; degrees."""

    def __init__(self, clips: list[Path]):
        with gr.Accordion("Head and eyes", open=False):
            self.head = gr.Radio([FREE, HELD, FROM_CLIP], value=FREE, label="The head")
            with gr.Row(visible=False) as pose:
                self.yaw = angle("Yaw: nose to the right, °", MAX_POSE["yaw"])
                self.pitch = angle("Pitch: nose up, °", MAX_POSE["pitch"])
                self.roll = angle("Roll: counter-clockwise, °", MAX_POSE["roll"])
            with gr.Column(visible=False) as clip:
                self.head_clip = clip_input("Clip whose head motion and gaze are taken", clips, height=260)
            self.eyes = gr.Radio([EYES_FREE, EYES_FIXED], value=EYES_FREE, label="The eyes")
            with gr.Row(visible=False) as gaze:
                self.gaze_x = angle("Gaze to the right, °", MAX_GAZE)
                self.gaze_y = angle("Gaze up, °", MAX_GAZE)
            self.expressiveness = gr.Slider(
                0, 150, 100, step=5, label="Expressiveness, %", info="How much the head moves; 0 keeps it still"
            )
        self.head.change(
            lambda value: (gr.Row(visible=value == HELD), gr.Column(visible=value == FROM_CLIP)),
            self.head,
            [pose, clip],
            **QUICK,
        )
        self.eyes.change(lambda value: gr.Row(visible=value == EYES_FIXED), self.eyes, gaze, **QUICK)

    @property
    def inputs(self) -> list[gr.components.Component]:
        return [
            self.head,
            self.yaw,
            self.pitch,
            self.roll,
            self.head_clip,
            self.eyes,
            self.gaze_x,
            self.gaze_y,
            self.expressiveness,
        ]

    def arguments(self, data: dict[Any, Any]) -> dict[str, Any]:
        """What an endpoint would be given; angles only where they are asked for."""
        pose = data[self.head] == HELD
        gaze = data[self.eyes] == EYES_FIXED
        return {
            "yaw": data[self.yaw] if pose else None,
            "pitch": data[self.pitch] if pose else None,
            "roll": data[self.roll] if pose else None,
            "gaze_x": data[self.gaze_x] if gaze else None,
            "gaze_y": data[self.gaze_y] if gaze else None,
            "expressiveness": data[self.expressiveness],
            "head_clip": data[self.head_clip] if data[self.head] == FROM_CLIP else None,
        }


class OutputPanel:
    """What the video looks like."""

    def __init__(self) -> None:
        with gr.Row():
            self.paste_back = gr.Checkbox(
                False, label="Whole picture", info="Put the moving face back into the full photo", min_width=150
            )
            self.label = gr.Checkbox(True, label="Visible label", info="“AI-generated” in the corner", min_width=150)


# On a phone the result is below the inputs: bring what happens into view, unless it is already.
SHOW_RUN = """
() => {
  const show = () => {
    const row = document.querySelector('#NAME');
    if (row && row.getBoundingClientRect().top > 0.5 * innerHeight) row.scrollIntoView({behavior: 'smooth'});
  };
  setTimeout(show, 600);  // the inputs above grow when a sample fills them
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
        self.name = gr.State(None)  # of the run under way


def angle(label: str, limit: float) -> gr.Slider:
    """A slider in degrees, 0 straight ahead."""
    return gr.Slider(-limit, limit, 0, step=1, label=label, min_width=140, elem_classes="it-slim")


def code(label: str, language: Literal["python", "shell"]) -> gr.Code:
    """Lines to copy."""
    return gr.Code(label=label, language=language, interactive=False, wrap_lines=True, show_line_numbers=False)


def _thumbnails(
    target: gr.Image | gr.Audio | gr.Video, samples: Sequence[Path], label: str, name: str | None = None
) -> None:
    """Samples that fill a component when clicked."""
    if not samples:
        return
    as_picture = isinstance(target, gr.Image | gr.Video)
    shown = gr.Dataset(
        components=[type(target)(render=False) if as_picture else gr.Textbox(render=False)],
        samples=[[str(path) if as_picture else title(path)] for path in samples],
        label=label,
        type="index",
        layout="gallery",
        samples_per_page=12,
        elem_id=name,
        elem_classes="it-thumbs" if as_picture else None,
    )
    paths = [str(path) for path in samples]
    shown.click(lambda index: paths[index], shown, target, **QUICK)
