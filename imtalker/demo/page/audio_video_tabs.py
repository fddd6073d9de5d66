"""The audio-driven and the video-driven tab: their widgets and what they ask for."""

from pathlib import Path
from typing import Any

import gradio as gr

from imtalker.config import SamplingOptions
from imtalker.demo.page.framing_panel import FramingPanel, crop_for
from imtalker.demo.page.nobody_button import NobodyButton
from imtalker.demo.page.option_panels import HeadPanel, OutputPanel, SamplingPanel, StylePanel
from imtalker.demo.page.run_column import RunColumn, Words
from imtalker.demo.page.run_lifecycle import Around
from imtalker.demo.page.speech_panel import RECORDING, SpeechPanel
from imtalker.demo.page.theme import CONSENT
from imtalker.demo.page.widgets import clip_input, one_click, picture_input, switch
from imtalker.demo.runs.common_options import PORTRAIT
from imtalker.demo.runs.requests import DRIVING, KEEP_SOUND, RELATIVE, ClipRequest, SpeechRequest
from imtalker.demo.runs.samples import pairs
from imtalker.demo.service import Service
from imtalker.media.audio import MIN_SECONDS

Data = dict[Any, Any]
TALK = Words("Make it talk", "Add a portrait and speech, or try a sample.", "Your talking portrait appears here.")
MOVE = Words(
    "Move the portrait", "Add a portrait and a driving clip, or try a sample.", "Your moving portrait appears here."
)


class AudioTab:
    """A portrait and speech.

    Args:
        around: what the tabs share.
    """

    def __init__(self, service: Service, around: Around):
        samples, expected = service.samples, service.host.expected
        seconds = f"{MIN_SECONDS:g} to {service.settings.max_seconds:g} s"
        buttons = one_click(samples, samples.talking(4), "See it talk at one click")
        with gr.Row(equal_height=False):
            with gr.Column(scale=5, min_width=300):
                self.portrait = picture_input(PORTRAIT, samples)
                self.nobody = NobodyButton(around.nobodies, self.portrait)
                gr.HTML(CONSENT, padding=False)
                self.framing = FramingPanel(service.host, "Face and crop")
                self.framing.watch(self.portrait)
                self.said = SpeechPanel(samples, seconds, "audio")
                self.head = HeadPanel(samples, self.said.speech, expected.generator)
                self.style = StylePanel(samples, expected.generator)
                self.sampling = SamplingPanel(expected.sampling)
                self.output = OutputPanel()
            held = {"portrait": self.portrait, "speech": self.said.speech}
            self.run = RunColumn(service, around, "audio", TALK, held, self.output)
        inputs = [
            self.portrait,
            self.framing.state,
            *self.said.inputs,
            *self.head.inputs,
            *self.style.inputs,
            self.sampling.steps,
            self.sampling.guidance,
            self.sampling.seed,
            self.sampling.solver,
            self.output.paste_back,
            self.output.label,
        ]
        filled = [
            (button, {self.portrait: str(picture), self.said.choice: RECORDING, self.said.speech: str(sound)})
            for button, picture, sound in buttons
        ]
        self.run.wire(inputs, self._request, filled)

    def _request(self, data: Data) -> SpeechRequest:
        return SpeechRequest(
            portrait=data[self.portrait],
            steps=data[self.sampling.steps],
            guidance=data[self.sampling.guidance],
            seed=data[self.sampling.seed],
            solver=data[self.sampling.solver],
            crop=crop_for(data[self.framing.state], data[self.portrait]),
            paste_back=data[self.output.paste_back],
            label=data[self.output.label],
            **self.said.arguments(data),
            **self.head.arguments(data),
            **self.style.arguments(data),
        )


def sample_request(portrait: Path, speech: Path, sampling: SamplingOptions) -> SpeechRequest:
    """What a click on a sample asks for while nothing else has been touched."""
    return SpeechRequest(
        str(portrait),
        str(speech),
        steps=sampling.num_steps,
        guidance=sampling.guidance_scale,
        seed=sampling.seed,
        solver=sampling.solver,
        label=True,
    )


class VideoTab:
    """A portrait and a clip that moves it; arguments as of the ``AudioTab``."""

    def __init__(self, service: Service, around: Around):
        samples, host = service.samples, service.host
        buttons = one_click(samples, pairs(samples.portraits[::-1], samples.driving, 3), "See it move at one click")
        with gr.Row(equal_height=False):
            with gr.Column(scale=5, min_width=300):
                self.portrait = picture_input(PORTRAIT, samples)
                self.nobody = NobodyButton(around.nobodies, self.portrait)
                gr.HTML(CONSENT, padding=False)
                self.framing = FramingPanel(host, "Face and crop of the portrait")
                self.framing.watch(self.portrait)
                self.driving = clip_input(DRIVING, samples)
                self.driving_framing = FramingPanel(host, "Face and crop of the clip", is_clip=True)
                self.driving_framing.watch(self.driving)
                with gr.Row():
                    self.keep_sound, self.relative = switch(KEEP_SOUND, True), switch(RELATIVE, False)
                self.output = OutputPanel()
            held = {"portrait": self.portrait, "driving": self.driving}
            self.run = RunColumn(service, around, "video", MOVE, held, self.output)
        inputs = [
            self.portrait,
            self.framing.state,
            self.driving,
            self.driving_framing.state,
            self.relative,
            self.keep_sound,
            self.output.paste_back,
            self.output.label,
        ]
        filled = [(button, {self.portrait: str(picture), self.driving: str(clip)}) for button, picture, clip in buttons]
        self.run.wire(inputs, self._request, filled)

    def _request(self, data: Data) -> ClipRequest:
        return ClipRequest(
            portrait=data[self.portrait],
            driving=data[self.driving],
            relative=data[self.relative],
            keep_sound=data[self.keep_sound],
            crop=crop_for(data[self.framing.state], data[self.portrait]),
            driving_crop=crop_for(data[self.driving_framing.state], data[self.driving]),
            paste_back=data[self.output.paste_back],
            label=data[self.output.label],
        )
