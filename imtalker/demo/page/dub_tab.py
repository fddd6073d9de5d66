"""The tab that gives a person in a video new lips: its widgets and what they ask for."""

from typing import Any

import gradio as gr

from imtalker.config import GeneratorConfig
from imtalker.demo.page.dub_preview_panel import DubPreviewPanel
from imtalker.demo.page.option_panels import SamplingPanel
from imtalker.demo.page.run_column import RunColumn, Words
from imtalker.demo.page.run_lifecycle import Around
from imtalker.demo.page.speech_panel import RECORDING, SpeechPanel
from imtalker.demo.page.theme import DUB_CONSENT
from imtalker.demo.page.widgets import QUICK, clip_input, one_click, slider, switch
from imtalker.demo.runs.common_options import LABEL
from imtalker.demo.runs.dub_request import ADAPT, ARTICULATION, BACKGROUND, DUBBED, KEEP_PAUSES, LENGTH, DubRequest
from imtalker.demo.runs.options import abilities
from imtalker.demo.runs.samples import pairs
from imtalker.demo.service import Service
from imtalker.media.audio import MIN_SECONDS

Data = dict[Any, Any]
DUB = Words("Dub it", "Add a clip and new speech, or try a sample.", "The dubbed clip appears here.")
AS_SPEECH, AS_CLIP = "As long as the speech", "As long as the clip"
LENGTHS = {AS_SPEECH: "audio", AS_CLIP: "video"}


def can_dub(generator: GeneratorConfig) -> bool:
    """Whether a preset is able to."""
    return abilities(generator)[DUBBED.needs]


class DubTab:
    """A clip and new speech.

    Args:
        around: what the tabs share.
    """

    def __init__(self, service: Service, around: Around):
        samples, expected = service.samples, service.host.expected
        talking = sorted(samples.driving, key=lambda clip: not clip.stem.startswith("talk"))
        buttons = one_click(samples, pairs(talking, samples.speech[::-1], 3), "See it dubbed at one click")
        with gr.Row(equal_height=False):
            with gr.Column(scale=5, min_width=300):
                self.clip = clip_input(DUBBED, samples)
                gr.HTML(DUB_CONSENT, padding=False)
                self.preview = DubPreviewPanel()
                self.preview.watch(self.clip)
                self.said = SpeechPanel(samples, f"{MIN_SECONDS:g} to {service.settings.max_seconds:g} s", "dub")
                self.length = gr.Radio(list(LENGTHS), value=AS_SPEECH, label=LENGTH.label)
                with gr.Accordion("Mouth and sound", open=False):
                    self.own = gr.Checkbox(True, label="The mouth opens as far as this person's does")
                    self.articulation = slider(ARTICULATION, 1.0, visible=False)
                    self.background = slider(BACKGROUND, 0)
                    self.keep_pauses = switch(KEEP_PAUSES, False)
                    self.adapt = slider(ADAPT, 0)
                self.sampling = SamplingPanel(expected.sampling)
                self.label = switch(LABEL, True)
            self.run = RunColumn(service, around, "dub", DUB, {"video": self.clip, "speech": self.said.speech})
        self.own.change(lambda own: gr.Slider(visible=not own), self.own, self.articulation, **QUICK)
        sampling = [self.sampling.steps, self.sampling.guidance, self.sampling.seed, self.sampling.solver]
        mouth = [self.length, self.own, self.articulation, self.background, self.keep_pauses, self.adapt]
        inputs = [self.clip, self.preview.state, *self.said.inputs, *mouth, *sampling, self.label]
        filled = [
            (button, {self.clip: str(clip), self.said.choice: RECORDING, self.said.speech: str(sound)})
            for button, clip, sound in buttons
        ]
        self.run.wire(inputs, self._request, filled)

    def _request(self, data: Data) -> DubRequest:
        return DubRequest(
            video=data[self.clip],
            length=LENGTHS[data[self.length]],
            articulation=None if data[self.own] else data[self.articulation],
            background=data[self.background],
            keep_pauses=data[self.keep_pauses],
            adapt=data[self.adapt],
            face=self.preview.face(data[self.preview.state], data[self.clip]),
            steps=data[self.sampling.steps],
            guidance=data[self.sampling.guidance],
            seed=data[self.sampling.seed],
            solver=data[self.sampling.solver],
            label=data[self.label],
            **self.said.arguments(data),
        )
