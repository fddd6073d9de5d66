"""The audio-driven and the video-driven tab: their widgets and what they send."""

from typing import Any

import gradio as gr

from imtalker.demo.page.framing_panel import FramingPanel, crop_for
from imtalker.demo.page.result_panel import ResultPanel
from imtalker.demo.page.run_lifecycle import ClipTab
from imtalker.demo.page.theme import CONSENT
from imtalker.demo.page.widgets import (
    HeadPanel,
    OutputPanel,
    RunRow,
    SamplingPanel,
    clip_input,
    one_click,
    picture_input,
    speech_input,
)
from imtalker.demo.runs.cancellation import Stops
from imtalker.demo.service import Studio


def audio_tab(studio: Studio, stops: Stops) -> SamplingPanel:
    """A portrait and speech; what it returns can be tuned to the preset once that is loaded."""
    samples, host = studio.samples, studio.host
    buttons = one_click(samples.portraits, samples.speech)
    with gr.Row(equal_height=False):
        with gr.Column(scale=5, min_width=300):
            portrait = picture_input("Portrait", samples.portraits)
            gr.HTML(CONSENT, padding=False)
            framing = FramingPanel(host, "Face and crop")
            framing.watch(portrait)
            speech = speech_input("Speech", samples.speech)
            head = HeadPanel(samples.driving)
            sampling = SamplingPanel(host.expected_sampling)
            output = OutputPanel()
        with gr.Column(scale=6, min_width=300, elem_classes="it-sticky"):
            row = RunRow("audio-run", "Make it talk", "Add a portrait and speech, or try a sample.")
            result = ResultPanel("audio", studio.settings, samples, "Your talking portrait appears here.")

    def arguments(data: dict[Any, Any]) -> dict[str, Any]:
        return {
            "portrait": data[portrait],
            "speech": data[speech],
            "steps": data[sampling.steps],
            "guidance": data[sampling.guidance],
            "seed": data[sampling.seed],
            "solver": data[sampling.solver],
            **head.arguments(data),
            "crop": crop_for(data[framing.state], data[portrait]),
            "paste_back": data[output.paste_back],
            "label": data[output.label],
        }

    ClipTab(
        studio,
        stops,
        row,
        result,
        output,
        needed={
            portrait: "there is no portrait; add a picture or choose a sample",
            speech: "there is no speech; add a recording or choose a sample",
        },
        inputs=[
            portrait,
            framing.state,
            speech,
            *head.inputs,
            sampling.steps,
            sampling.guidance,
            sampling.seed,
            sampling.solver,
            output.paste_back,
            output.label,
        ],
        endpoint="animate_audio",
        make_job=studio.audio_job,
        arguments=arguments,
        sound="speech",
        samples=[(button, {portrait: str(picture), speech: str(sound)}) for button, picture, sound in buttons],
    )
    return sampling


def video_tab(studio: Studio, stops: Stops) -> None:
    """A portrait and a clip that moves it."""
    samples, host = studio.samples, studio.host
    buttons = one_click(samples.portraits[::-1], samples.driving, 3, "See it move at one click")
    with gr.Row(equal_height=False):
        with gr.Column(scale=5, min_width=300):
            portrait = picture_input("Portrait", samples.portraits)
            gr.HTML(CONSENT, padding=False)
            framing = FramingPanel(host, "Face and crop of the portrait")
            framing.watch(portrait)
            driving = clip_input("Driving clip", samples.driving)
            driving_framing = FramingPanel(host, "Face and crop of the clip", is_clip=True)
            driving_framing.watch(driving)
            with gr.Row():
                keep_sound = gr.Checkbox(True, label="Keep the clip's sound", min_width=150)
                relative = gr.Checkbox(
                    False,
                    label="Keep the portrait's pose",
                    info="Add only the driver's changes to it",
                    min_width=150,
                )
            output = OutputPanel()
        with gr.Column(scale=6, min_width=300, elem_classes="it-sticky"):
            row = RunRow("video-run", "Move the portrait", "Add a portrait and a driving clip, or try a sample.")
            result = ResultPanel("video", studio.settings, samples, "Your moving portrait appears here.")

    def arguments(data: dict[Any, Any]) -> dict[str, Any]:
        return {
            "portrait": data[portrait],
            "driving": data[driving],
            "relative": data[relative],
            "keep_sound": data[keep_sound],
            "crop": crop_for(data[framing.state], data[portrait]),
            "driving_crop": crop_for(data[driving_framing.state], data[driving]),
            "paste_back": data[output.paste_back],
            "label": data[output.label],
        }

    ClipTab(
        studio,
        stops,
        row,
        result,
        output,
        needed={
            portrait: "there is no portrait; add a picture or choose a sample",
            driving: "there is no driving clip; add one or choose a sample",
        },
        inputs=[
            portrait,
            framing.state,
            driving,
            driving_framing.state,
            relative,
            keep_sound,
            output.paste_back,
            output.label,
        ],
        endpoint="animate_video",
        make_job=studio.video_job,
        arguments=arguments,
        sound="driving",
        samples=[(button, {portrait: str(picture), driving: str(clip)}) for button, picture, clip in buttons],
    )
