"""The Gradio app and Hugging Face Space: settings, models, page and launch; the work is done in ``imtalker``."""

# ruff: noqa: E402  (what has to be set up before an import comes before it)

import os

os.environ.setdefault("GRADIO_ANALYTICS_ENABLED", "False")

from imtalker.media.folders import ensure_gradio_folder, ensure_home

ensure_home()  # the next import ends where there is none
ensure_gradio_folder()  # what is imported next looks for it

import spaces  # noqa: F401, I001  (before torch: on ZeroGPU it replaces CUDA)

import logging
from pathlib import Path

import gradio as gr

from imtalker.demo.memory import steady_memory
from imtalker.demo.models import ModelHost
from imtalker.demo.page.page import build_page
from imtalker.demo.page.theme import CSS, HEAD, make_theme
from imtalker.demo.runs.samples import SampleResults, Samples
from imtalker.demo.runs.segments import can_stream
from imtalker.demo.service import Service
from imtalker.demo.serving import server_options
from imtalker.demo.settings import MAX_UPLOAD, Settings


def launch(page: gr.Blocks, service: Service, **options: object) -> tuple:
    """Serve the page."""
    return page.launch(
        theme=make_theme(),
        css=CSS,
        head=HEAD,
        show_error=True,
        max_file_size=MAX_UPLOAD,
        mcp_server=service.settings.mcp,
        ssr_mode=False,
        footer_links=["api", "settings"],
        allowed_paths=[str(service.results.root)] if service.results is not None else None,
        auth=service.settings.auth,
        app_kwargs=server_options(service),
        **options,  # pyright: ignore[reportArgumentType]
    )


def main() -> None:
    """Start the app; the models load in the background meanwhile."""
    logging.basicConfig(level=logging.INFO, format="%(levelname)s %(name)s: %(message)s")
    logging.getLogger("httpx").setLevel(logging.WARNING)  # it would log every address
    steady_memory()
    settings = Settings.from_environment()
    host, samples = ModelHost(settings), Samples.find(Path(__file__).parent / "assets")
    can_stream()
    host.start()
    if settings.zero_gpu:
        host.pipeline()  # ZeroGPU packs what is on the GPU at launch
    service = Service(host, settings, samples, SampleResults(samples))
    launch(build_page(service), service)


if __name__ == "__main__":
    main()
