"""What is said: a recording, or a text that a synthetic voice speaks."""

from typing import Any

import gradio as gr

from imtalker.demo.page.widgets import QUICK, slider, speech_input
from imtalker.demo.runs.common_options import SPEECH, SPEED_OPTION, TEXT, VOICE
from imtalker.demo.runs.requests import SpeechRequest
from imtalker.demo.runs.samples import Samples
from imtalker.speech.text import MAX_CHARACTERS

RECORDING, WRITTEN = "Speech", "Text"


class SpeechPanel:
    """Speech or a text.

    Args:
        seconds: says how long speech may be.
        tab: prefix of element ids, unique on the page.
    """

    def __init__(self, samples: Samples, seconds: str, tab: str):
        defaults = SpeechRequest.defaults()
        self.choice = gr.Radio([RECORDING, WRITTEN], value=RECORDING, show_label=False, container=False)
        with gr.Column(visible=True) as recorded:
            self.speech = speech_input(SPEECH, samples, seconds)
        with gr.Column(visible=False) as written:
            self.text = gr.Textbox(
                label=TEXT.label,
                info=TEXT.info,
                lines=4,
                max_lines=10,
                max_length=MAX_CHARACTERS,
                elem_id=f"{tab}-text",
            )
            with gr.Row():
                self.voice = gr.Dropdown(
                    list(VOICE.choices), value=defaults["voice"], label=VOICE.label, info=VOICE.info, min_width=140
                )
                self.speed = slider(SPEED_OPTION, defaults["speed"], min_width=140)
        self.choice.change(
            lambda choice: (gr.Column(visible=choice == RECORDING), gr.Column(visible=choice == WRITTEN)),
            self.choice,
            [recorded, written],
            **QUICK,
        )

    @property
    def inputs(self) -> list[Any]:
        """What ``arguments`` reads."""
        return [self.choice, self.speech, self.text, self.voice, self.speed]

    def arguments(self, data: dict[Any, Any]) -> dict[str, Any]:
        """The part of a request that says what is heard."""
        if data[self.choice] == RECORDING:
            return {"speech": data[self.speech]}
        # an empty text is refused like any other that nobody can say
        return {"text": data[self.text] or " ", "voice": data[self.voice], "speed": data[self.speed]}
