"""The groups of options below the inputs: sampling, head and eyes, looks of the video."""

import random
from typing import Any

import gradio as gr

from imtalker.config import GeneratorConfig, SamplingOptions
from imtalker.demo.page.controls_editor import ControlsEditor
from imtalker.demo.page.widgets import QUICK, clip_input, hint, number, pass_file_through, slider, switch
from imtalker.demo.runs.common_options import (
    CONTROLS,
    GAZE_X,
    GAZE_Y,
    GUIDANCE_OPTION,
    HEAD_CLIP,
    LABEL,
    PASTE_BACK,
    PITCH,
    ROLL,
    SEED,
    SMILE,
    SOLVER,
    STEPS_OPTION,
    STYLE,
    STYLE_CLIP,
    YAW,
)
from imtalker.demo.runs.options import REASONS, STYLES, abilities
from imtalker.demo.runs.requests import SpeechRequest
from imtalker.demo.runs.samples import Samples

FREE, HELD, FROM_CLIP, FROM_FILE = "Moves freely", "Holds a pose", "Moves as in a clip", "Follows a file"
EYES_FREE, EYES_FIXED = "Move freely", "Look to one side"


class SamplingPanel:
    """How motion is drawn from the model.

    Args:
        defaults: where the sliders start.
    """

    def __init__(self, defaults: SamplingOptions) -> None:
        self._defaults = defaults
        with gr.Accordion("Quality and seed", open=False):
            self.steps = slider(STEPS_OPTION, defaults.num_steps)
            self.guidance = slider(GUIDANCE_OPTION, defaults.guidance_scale)
            self.solver = gr.Dropdown(list(SOLVER.choices), value=defaults.solver, label=SOLVER.label, info=SOLVER.info)
            with gr.Row(equal_height=True):
                self.seed = number(SEED, defaults.seed, scale=3, min_width=120)
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
    """Head and eyes; degrees.

    Args:
        speech: whose length the editor of controls shows.
        expected: of the preset that is going to answer; what it cannot do is not offered.
    """

    def __init__(self, samples: Samples, speech: gr.Audio, expected: GeneratorConfig):
        self._expected = expected
        with gr.Accordion("Head and eyes", open=False):
            self.head = gr.Radio(self._choices(expected), value=FREE, label="The head")
            with gr.Row(visible=False) as pose:
                self.yaw, self.pitch, self.roll = slider(YAW, 0), slider(PITCH, 0), slider(ROLL, 0)
            with gr.Column(visible=False) as clip:
                self.head_clip = clip_input(HEAD_CLIP, samples, height=260)
            with gr.Column(visible=False) as file:
                self.controls = pass_file_through(
                    gr.File(label=CONTROLS.label, file_types=[".csv", ".npz"], height=120)
                )
                hint("A header line, then a row for each of 25 frames a second: yaw, pitch, roll, gaze_x, gaze_y")
                ControlsEditor(speech, self.controls)
            self.eyes = gr.Radio([EYES_FREE, EYES_FIXED], value=EYES_FREE, label="The eyes")
            with gr.Row(visible=False) as gaze:
                self.gaze_x, self.gaze_y = slider(GAZE_X, 0), slider(GAZE_Y, 0)
            self.unable = gr.HTML(self._unable(expected), padding=False)
        self.head.change(
            lambda value: (
                gr.Row(visible=value == HELD),
                gr.Column(visible=value == FROM_CLIP),
                gr.Column(visible=value == FROM_FILE),
            ),
            self.head,
            [pose, clip, file],
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
            self.controls,
            self.eyes,
            self.gaze_x,
            self.gaze_y,
        ]

    def arguments(self, data: dict[Any, Any]) -> dict[str, Any]:
        """Fields of a request; angles only where they are asked for."""
        head, gaze = data[self.head], data[self.eyes] == EYES_FIXED
        return {
            "yaw": data[self.yaw] if head == HELD else None,
            "pitch": data[self.pitch] if head == HELD else None,
            "roll": data[self.roll] if head == HELD else None,
            "gaze_x": data[self.gaze_x] if gaze else None,
            "gaze_y": data[self.gaze_y] if gaze else None,
            "head_clip": data[self.head_clip] if head == FROM_CLIP else None,
            "controls": data[self.controls] if head == FROM_FILE else None,
        }

    @property
    def fitted(self) -> list[Any]:
        """What depends on the preset, in the order of ``fit``."""
        return [self.head, self.unable]

    def fit(self, loaded: GeneratorConfig) -> list[Any]:
        """Changes for a preset with other abilities than the expected one; none where they are the same."""
        if abilities(loaded) == abilities(self._expected):
            return [gr.skip() for _ in self.fitted]
        return [
            gr.Radio(self._choices(loaded)),
            self._unable(loaded),
        ]

    @staticmethod
    def _choices(generator: GeneratorConfig) -> list[str]:
        return [FREE, HELD, *([FROM_CLIP] if abilities(generator)[HEAD_CLIP.needs] else []), FROM_FILE]

    @staticmethod
    def _unable(generator: GeneratorConfig) -> str:
        if abilities(generator)[HEAD_CLIP.needs]:
            return ""
        return (
            "<p class='it-limit'>“Moves as in a clip” is not offered: "
            f"this preset cannot do it, {REASONS[HEAD_CLIP.needs]}.</p>"
        )


class StylePanel:
    """How lively the person is; shown where the preset can do it.

    Args:
        expected: of the preset that is going to answer.
    """

    def __init__(self, samples: Samples, expected: GeneratorConfig):
        able = abilities(expected)[STYLES]
        with gr.Accordion("Liveliness", open=False, visible=able) as self.panel:
            self.amounts = {
                name: slider(option, SpeechRequest.defaults()[name])
                for name, option in STYLE.items()
                if option != SMILE
            }
            self.own_smile = gr.Checkbox(True, label="Smile as in the portrait")
            self.smile = slider(SMILE, 0, visible=False)
            self.style_clip = clip_input(STYLE_CLIP, samples, height=260)
        self.own_smile.change(lambda own: gr.Slider(visible=not own), self.own_smile, self.smile, **QUICK)

    @property
    def inputs(self) -> list[gr.components.Component]:
        return [*self.amounts.values(), self.own_smile, self.smile, self.style_clip]

    def arguments(self, data: dict[Any, Any]) -> dict[str, Any]:
        """Fields of a request."""
        smile = None if data[self.own_smile] else data[self.smile]
        return {name: data[widget] for name, widget in self.amounts.items()} | {
            "smile": smile,
            "style_clip": data[self.style_clip],
        }

    @property
    def fitted(self) -> list[Any]:
        """What depends on the preset, in the order of ``fit``."""
        return [self.panel]

    def fit(self, loaded: GeneratorConfig) -> list[Any]:
        """Changes for a preset with other abilities than the expected one."""
        return [gr.Accordion(visible=abilities(loaded)[STYLES])]


class OutputPanel:
    """What the video looks like."""

    def __init__(self) -> None:
        with gr.Row():
            self.paste_back = switch(PASTE_BACK, False)
            self.label = switch(LABEL, True)
