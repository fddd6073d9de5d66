"""Draw head and gaze over time as curves above the sound; what comes out is a control file as any other."""

import json
from pathlib import Path
from typing import Any

import gradio as gr
import numpy as np

from imtalker.config import SAMPLE_RATE
from imtalker.demo.page.widgets import CHECKED
from imtalker.demo.runs.curves import NAMES, read_controls, read_curves, write_controls
from imtalker.demo.runs.files import new_folder
from imtalker.demo.runs.options import check_present
from imtalker.demo.runs.requests import REQUESTS
from imtalker.errors import InputError
from imtalker.media.audio import load_waveform

SCRIPT = Path(__file__).with_name("controls_editor.js").read_text(encoding="utf-8")
STYLE = Path(__file__).with_name("controls_editor.css").read_text(encoding="utf-8")
PEAKS = 240  # columns of the sound's picture
SECONDS = 6.0  # shown where there is no sound yet
TEMPLATE = "<div class='it-editor' data-state='${value}'></div>"


class ControlsEditor:
    """The drawing, and buttons that turn it into a control file and back.

    Args:
        sound: whose length and loudness are shown.
        controls: receives the file.
    """

    def __init__(self, sound: gr.Audio, controls: gr.File):
        with gr.Accordion("Draw them", open=False):
            self.drawing = gr.HTML(
                _state({}, SECONDS, []),
                html_template=TEMPLATE,
                css_template=STYLE,
                js_on_load=SCRIPT,
                elem_id="controls-editor",
            )
            self.curves = gr.Textbox(visible="hidden", elem_id="controls-curves")
            with gr.Row():
                save = gr.Button("Use these curves", size="sm", variant="primary")
                load = gr.Button("Change the file above", size="sm")
        sound.change(self._shown, [sound, self.curves], self.drawing, **CHECKED)
        save.click(self._saved, self.curves, controls, js=HAND_IN, **CHECKED)
        load.click(self._loaded, [controls, sound], self.drawing, **CHECKED)

    def _shown(self, sound: str | None, curves: str | None) -> str:
        seconds, peaks = _picture(sound)
        return _state(_sent(curves).get("curves") or {}, seconds, peaks)

    def _saved(self, curves: str) -> str:
        sent = _sent(curves)
        seconds = sent.get("seconds")
        path = new_folder() / "controls.csv"
        write_controls(read_curves(sent.get("curves")), seconds if isinstance(seconds, int | float) else 0.0, path)
        return str(path)

    def _loaded(self, controls: str | None, sound: str | None) -> str:
        if not controls:
            raise InputError("there is no file to change; add one above, or draw")
        check_present(controls, "control file")
        curves, length = read_controls(controls)
        seconds, peaks = _picture(sound)
        return _state(curves, seconds if peaks else length, peaks)


# The drawing keeps its curves in the page; they are handed in when they are asked for.
HAND_IN = """
(curves) => [document.querySelector('#controls-editor .it-editor')?.dataset.curves || curves]
"""


def _sent(text: str | None) -> dict[str, Any]:
    try:
        sent = json.loads(text or "{}")
    except json.JSONDecodeError:
        return {}
    return sent if isinstance(sent, dict) else {}


def _picture(sound: str | None) -> tuple[float, list[float]]:
    """Length of a sound and its loudest sample in each of 240 parts."""
    if not sound:
        return SECONDS, []
    waveform = np.abs(load_waveform(sound))
    parts = np.array_split(waveform, min(PEAKS, len(waveform)))
    return len(waveform) / SAMPLE_RATE, [round(float(part.max()), 3) for part in parts]


def _state(curves: dict[str, Any], seconds: float, peaks: list[float]) -> str:
    """What the script draws; it stands in an attribute, so nothing in it may end that."""
    options = {name: option for request in REQUESTS for name, option in request.options().items()}
    ranges = {name: options[name].slider.most for name in NAMES}
    labels = {name: options[name].label.removesuffix(", °") for name in NAMES}
    state = {"curves": curves, "seconds": round(seconds, 3), "peaks": peaks, "ranges": ranges, "labels": labels}
    return json.dumps(state).replace("&", "&amp;").replace("'", "&#39;").replace("<", "&lt;")
