"""The whole page: header, tabs, recent results, what to expect; and what happens when it is loaded."""

from collections.abc import Iterator
from html import escape
from typing import Any
from urllib.parse import quote

import gradio as gr

from imtalker.demo.api import Endpoints
from imtalker.demo.errors import explained
from imtalker.demo.page.audio_video_tabs import AudioTab, VideoTab, sample_request
from imtalker.demo.page.compare_tab import CompareTab
from imtalker.demo.page.dub_tab import DubTab, can_dub
from imtalker.demo.page.recent import Recent
from imtalker.demo.page.run_lifecycle import Around
from imtalker.demo.page.theme import ABOUT, HEADER, NAMES
from imtalker.demo.page.widgets import CHECKED, PRIVATE
from imtalker.demo.runs.hero import Greeting, Hero
from imtalker.demo.runs.nobody import Nobodies
from imtalker.demo.service import Service
from imtalker.demo.settings import KEEP_SECONDS, QUEUE_SIZE
from imtalker.errors import ImTalkerError
from imtalker.media.audio import MIN_SECONDS

LOADING = "<p class='it-engine'>Loading the models…</p>"
OVER = "That result was removed: results are kept for an hour."
HERO_SECONDS = 240  # until a page gives up waiting for the greeting

# The address as the visitor sees it, whatever proxies lie between, and the result it names.
WHERE = """
(address, wanted, known) => [
  location.origin + location.pathname.replace(/\\/*$/, '/'),
  new URLSearchParams(location.search).get('result') || '',
  known,
]
"""

# A result found again shows itself; where a browser forbids sound before the first touch, without it.
PLAY_FOUND = """
() => new Promise((resolve) => {
  if (!new URLSearchParams(location.search).get('result')) return resolve([]);
  let tries = 0;
  const play = () => {
    const results = [...document.querySelectorAll('.it-big video, #compare-video video')];
    const found = results.find((video) => video.offsetParent && video.src);
    if (!found) return tries++ < 50 ? setTimeout(play, 100) : resolve([]);
    const silently = () => { found.muted = true; return found.play(); };
    if (found.paused) found.play().catch(silently).catch(() => {});
    resolve([]);
  };
  play();
})
"""


class Page(gr.Blocks):
    """Blocks in which every error, whoever raised it, reaches visitors and programs in words."""

    async def process_api(self, *args: Any, **kwargs: Any) -> dict[str, Any]:
        with explained():
            return await super().process_api(*args, **kwargs)


def build_page(service: Service) -> Page:
    """The page and its endpoints."""
    settings = service.settings
    nobodies = Nobodies(settings.nobody) if settings.nobody else None
    if nobodies is not None:
        nobodies.start()
    sampling = service.host.expected.sampling
    greeting = Greeting(service, lambda portrait, speech: sample_request(portrait, speech, sampling))
    greeting.start()
    cleaning = (KEEP_SECONDS // 4, KEEP_SECONDS)
    with Page(title="IMTalker: a portrait talks", delete_cache=cleaning, analytics_enabled=False) as page:
        gr.HTML(HEADER, padding=False)
        engine = gr.HTML(LOADING, padding=False)
        recent = Recent(service.live)
        address = gr.Textbox(visible="hidden", elem_id="page-address")
        wanted = gr.Textbox(visible="hidden", elem_id="page-result")
        around = Around(address, recent, nobodies)
        with gr.Tabs(elem_classes="it-main-tabs") as tabs:
            with gr.Tab("Audio-driven", id="audio", elem_id="audio-tab"):
                audio = AudioTab(service, around)
            with gr.Tab("Video-driven", id="video", elem_id="video-tab"):
                video = VideoTab(service, around)
            with gr.Tab(
                "Dub a video", id="dub", elem_id="dub-tab", visible=can_dub(service.host.expected.generator)
            ) as dubs:
                dub = DubTab(service, around)
            with gr.Tab("Compare", id="compare", elem_id="compare-tab"):
                compare = CompareTab(service, around)
        with gr.Accordion("What to expect, privacy, fair use", open=False):
            limits = {"min_seconds": f"{MIN_SECONDS:g}", "max_seconds": f"{settings.max_seconds:g}"}
            gr.Markdown(ABOUT.format(**limits))
        Endpoints(service)
        lives = {life.tab: life for life in (audio.run.life, video.run.life, dub.run.life, compare.life)}
        fitted = [*audio.sampling.tuned, *audio.head.fitted, *audio.style.fitted, *dub.sampling.tuned, dubs]
        nobody = [*audio.nobody.outputs, *video.nobody.outputs]

        def loaded() -> list[Any]:
            """Which models answer, and what they can; waits for them."""
            if nobodies is not None:
                nobodies.are_reachable(10)
            buttons = [*audio.nobody.appear(), *video.nobody.appear()]
            try:
                facts, preset = service.host.describe(), service.host.pipeline().preset
            except ImTalkerError as error:
                words = f"<p class='it-note' role='alert'>No model could be loaded: {escape(str(error))}</p>"
                return [words, *(gr.skip() for _ in fitted), *buttons]
            changes = [
                *audio.sampling.tune(preset.sampling),
                *audio.head.fit(preset.generator),
                *audio.style.fit(preset.generator),
                *dub.sampling.tune(preset.sampling),
                gr.Tab(visible=can_dub(preset.generator)),
            ]
            return [_engine(facts), *changes, *buttons]

        def found(where: str, name: str, known: Any) -> Iterator[dict[Any, Any]]:
            """The result the address names, under way or finished."""
            names, links = recent.shown(known)
            yield {address: where, recent.state: names, recent.links: links}
            run = service.live.find(name)
            if run is not None:
                yield {tabs: gr.Tabs(selected=run.tab)}
                yield from lives[run.tab].found_again(run, where)
            elif name:
                gr.Info(OVER, duration=8)

        page.load(loaded, None, [engine, *fitted, *nobody], **CHECKED)
        changed = [component for life in lives.values() for component in (*life.outputs, *life.inputs)]
        again = page.load(
            found, [address, wanted, recent.state], [address, tabs, *recent.outputs, *changed], js=WHERE, **CHECKED
        )
        again.success(None, js=PLAY_FOUND, **PRIVATE)
        page.load(
            lambda where: hero_html(greeting.wait(HERO_SECONDS), where),
            address,
            audio.run.result.empty,
            js=WHERE,
            **CHECKED,
        )
        page.load(None, js=NAMES, **PRIVATE)
    return page.queue(max_size=QUEUE_SIZE)


def _engine(facts: dict[str, Any]) -> str:
    line = (
        f"<p class='it-engine'>Preset <b>{escape(facts['preset'])}</b> on <b>{escape(facts['device'])}</b>, "
        f"{escape(facts['precision'])}, {facts['output_size']}×{facts['output_size']} at 25 frames per second</p>"
    )
    note = f"<p class='it-note'>{escape(facts['note'])}</p>" if facts["note"] else ""
    return line + note


def hero_html(hero: Hero | None, where: str) -> Any:
    """The finished sample, playing without a sound; ``where`` is the public address of the page."""
    if hero is None:
        return gr.skip()
    source = escape(f"{where}gradio_api/file={quote(str(hero.video))}", quote=True)
    return (
        "<figure class='it-hero'>"
        f"<video src='{source}' autoplay muted loop playsinline aria-label='{escape(hero.title, quote=True)}'></video>"
        f"<figcaption><b>{escape(hero.title)}</b><span>{escape(hero.words)}</span></figcaption></figure>"
    )
