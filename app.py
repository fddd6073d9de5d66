"""The Gradio app and Hugging Face Space: widgets, wiring and launch; the work is done in ``imtalker``."""

import os

os.environ.setdefault("GRADIO_ANALYTICS_ENABLED", "False")

import spaces  # noqa: F401, I001  (before torch: on ZeroGPU it replaces CUDA)

import logging
from html import escape
from pathlib import Path
from typing import Any

import gradio as gr

from imtalker.demo.api import Endpoints
from imtalker.demo.page.compare_tab import CompareTab
from imtalker.demo.models import ModelHost
from imtalker.demo.runs.samples import SampleResults, Samples
from imtalker.demo.runs.segments import can_stream
from imtalker.demo.settings import KEEP_SECONDS, MAX_UPLOAD, QUEUE_SIZE, Settings
from imtalker.demo.runs.cancellation import Stops
from imtalker.demo.service import Studio
from imtalker.demo.page.audio_video_tabs import audio_tab, video_tab
from imtalker.demo.page.theme import ABOUT, CSS, HEAD, HEADER, NAMES, make_theme
from imtalker.demo.page.widgets import CHECKED, PRIVATE, SamplingPanel
from imtalker.errors import ImTalkerError
from imtalker.media.audio import MIN_SECONDS

LOADING = "<p class='it-engine'>Loading the models…</p>"


def engine_line(host: ModelHost) -> str:
    """Which models answer, as HTML; waits for them."""
    try:
        facts = host.describe()
    except ImTalkerError as error:
        return f"<p class='it-note' role='alert'>No model could be loaded: {escape(str(error))}</p>"
    line = (
        f"<p class='it-engine'>Preset <b>{escape(facts['preset'])}</b> on <b>{escape(facts['device'])}</b>, "
        f"{escape(facts['precision'])}, {facts['output_size']}×{facts['output_size']} at 25 frames per second</p>"
    )
    note = f"<p class='it-note'>{escape(facts['note'])}</p>" if facts["note"] else ""
    return line + note


def tuned(host: ModelHost, sampling: SamplingPanel) -> list[Any]:
    """Where the sliders belong when another preset answers than the expected one; waits for the models."""
    try:
        return sampling.tune(host.pipeline().preset.sampling)
    except ImTalkerError:  # the line above says so already
        return [gr.skip() for _ in sampling.tuned]


def build_demo(
    host: ModelHost, settings: Settings, samples: Samples, results: SampleResults | None = None
) -> gr.Blocks:
    """The page and its endpoints."""
    studio, stops = Studio(host, settings, samples, results), Stops()
    cleaning = (KEEP_SECONDS // 4, KEEP_SECONDS)
    with gr.Blocks(title="IMTalker: a portrait talks", delete_cache=cleaning, analytics_enabled=False) as demo:
        gr.HTML(HEADER, padding=False)
        engine = gr.HTML(LOADING, padding=False)
        with gr.Tabs():
            with gr.Tab("Audio-driven", id="audio", elem_id="audio-tab"):
                sampling = audio_tab(studio, stops)
            with gr.Tab("Video-driven", id="video", elem_id="video-tab"):
                video_tab(studio, stops)
            with gr.Tab("Compare", id="compare", elem_id="compare-tab"):
                CompareTab(studio, stops)
        with gr.Accordion("What to expect, privacy, fair use", open=False):
            limits = {"min_seconds": f"{MIN_SECONDS:g}", "max_seconds": f"{settings.max_seconds:g}"}
            gr.Markdown(ABOUT.format(**limits))
        Endpoints(studio)
        demo.load(lambda: (engine_line(host), *tuned(host, sampling)), None, [engine, *sampling.tuned], **CHECKED)
        demo.load(None, js=NAMES, **PRIVATE)
    return demo.queue(max_size=QUEUE_SIZE)


def launch(demo: gr.Blocks, settings: Settings, **options: object) -> tuple:
    """Serve the page."""
    return demo.launch(
        theme=make_theme(),
        css=CSS,
        head=HEAD,
        show_error=True,
        max_file_size=MAX_UPLOAD,
        mcp_server=settings.mcp,
        ssr_mode=False,
        footer_links=["api", "settings"],
        **options,  # pyright: ignore[reportArgumentType]
    )


def main() -> None:
    """Start the app; the models load in the background meanwhile."""
    logging.basicConfig(level=logging.INFO, format="%(levelname)s %(name)s: %(message)s")
    logging.getLogger("httpx").setLevel(logging.WARNING)  # it would log every address
    settings = Settings.from_environment()
    host, samples = ModelHost(settings), Samples.find(Path(__file__).parent / "assets")
    can_stream()
    host.start()
    if settings.zero_gpu:
        host.pipeline()  # ZeroGPU packs what is on the GPU at launch
    launch(build_demo(host, settings, samples, SampleResults(samples)), settings)


if __name__ == "__main__":
    main()
