"""Looks of the page: a calm theme of its own, light and dark, fonts of the visitor's system only."""

import gradio as gr

_INK = gr.themes.Color(
    "#f0fdfa", "#d5f5ef", "#a9e8de", "#74d4c7", "#3fb8aa", "#1f9a8e", "#117a72", "#11625d", "#124e4b", "#12403e",
    "#06262a", name="lagoon",
)  # fmt: skip
_PAPER = gr.themes.Color(
    "#fafaf9", "#f4f4f2", "#e7e6e3", "#d5d4d0", "#a3a29d", "#74736f", "#575653", "#43423f", "#292826", "#1d1c1b",
    "#121211", name="paper",
)  # fmt: skip
_FONT = ["system-ui", "-apple-system", "Segoe UI", "Roboto", "Helvetica Neue", "sans-serif"]
_MONO = ["ui-monospace", "SFMono-Regular", "Menlo", "Consolas", "monospace"]


def make_theme() -> gr.themes.Base:
    """The theme; no font or style sheet is fetched from anywhere."""
    return gr.themes.Base(
        primary_hue=_INK,
        secondary_hue=_INK,
        neutral_hue=_PAPER,
        radius_size=gr.themes.sizes.radius_lg,
        spacing_size=gr.themes.sizes.spacing_md,
        text_size=gr.themes.sizes.text_md,
        font=_FONT,
        font_mono=_MONO,
    ).set(
        body_background_fill="*neutral_50",
        body_background_fill_dark="*neutral_950",
        body_text_color="*neutral_800",
        body_text_color_dark="*neutral_100",
        body_text_color_subdued="*neutral_600",
        body_text_color_subdued_dark="*neutral_400",
        background_fill_primary="white",
        background_fill_primary_dark="*neutral_900",
        block_background_fill="white",
        block_background_fill_dark="*neutral_900",
        block_border_color="*neutral_200",
        block_border_color_dark="*neutral_800",
        block_shadow="0 1px 2px rgb(0 0 0 / 4%)",
        block_shadow_dark="none",
        block_label_background_fill="transparent",
        block_label_background_fill_dark="transparent",
        block_label_border_width="0px",
        block_label_text_color="*neutral_600",
        block_label_text_color_dark="*neutral_300",
        block_label_text_weight="600",
        block_title_text_color="*neutral_700",
        block_title_text_color_dark="*neutral_200",
        block_title_text_weight="600",
        input_background_fill="*neutral_50",
        input_background_fill_dark="*neutral_800",
        button_border_width="1px",
        button_primary_border_color="transparent",
        button_primary_border_color_dark="transparent",
        button_primary_background_fill="*primary_700",
        button_primary_background_fill_hover="*primary_800",
        button_primary_background_fill_dark="*primary_500",
        button_primary_background_fill_hover_dark="*primary_400",
        button_primary_text_color="white",
        button_primary_text_color_dark="*neutral_950",
        button_secondary_background_fill="white",
        button_secondary_background_fill_hover="*primary_50",
        button_secondary_background_fill_dark="*neutral_800",
        button_secondary_background_fill_hover_dark="*neutral_700",
        button_secondary_border_color="*neutral_300",
        button_secondary_border_color_dark="*neutral_700",
        button_secondary_text_color="*neutral_800",
        button_secondary_text_color_dark="*neutral_100",
        slider_color="*primary_600",
        slider_color_dark="*primary_400",
    )


HEADER = """
<header class="it-header">
  <svg viewBox="0 0 48 48" width="44" height="44" aria-hidden="true">
    <circle cx="24" cy="24" r="23" class="it-logo-disc"/>
    <circle cx="24" cy="18" r="7.5" class="it-logo-line"/>
    <path d="M10 38c2-8 7-12 14-12s12 4 14 12" class="it-logo-line"/>
    <path d="M34 14v8M38 11.500v13M42 15.500v5" class="it-logo-line"/>
  </svg>
  <div><h1>IMTalker</h1><p>One portrait and a voice become a talking video.</p></div>
</header>
"""

CONSENT = """
<p class="it-consent"><b>Every result is AI-generated.</b> Use only pictures and voices of people who agreed to it,
and say that the video is generated when you show it. Uploads and results are deleted after an hour.</p>
"""

DUB_CONSENT = """
<p class="it-consent"><b>Dubbing changes what a real recording says.</b> Do it only where the person in the clip and the
person whose voice is heard have agreed to these very words, and where you may use the clip. Say that it is dubbed
whenever you show it, and keep the visible label on. Never put words into anybody's mouth to deceive. Uploads and
results are deleted after an hour; the file itself says that it was edited.</p>
"""

ABOUT = """
### What to expect
* One face, facing the camera, evenly lit and at least 256 pixels large works best. Drawings, statues and paintings
  work too: if no face is found, click on it in the preview.
* The result is a square at 25 frames per second, or the whole picture with the square put back into it.
* A dubbed clip keeps its size, frame rate and all but the lower face. Where no face is seen, the head is turned
  beyond 30 degrees, or a hand is before the mouth, the original stays.
* Speech of {min_seconds} to {max_seconds} s. The lips were trained on English; other languages work less exactly.
* Hands before the face, glasses with reflections, strong profile views and very wide smiles are hard. Shoulders
  follow the head a little, the background stands still.

### Privacy
The log holds technical errors and, for every run, its length, speed and outcome; no file names, no addresses. Files
live in a temporary folder and are removed after an hour; until then a result is found again under its address, which
nobody can guess, and in the list that your own browser keeps. Only results of
the samples are kept for the next visitor. Every video says in its metadata that it is AI-generated and how it was made.

### What it must not be used for
Deceiving, harassing or impersonating anybody, or putting words into the mouth of a person who did not agree; least of
all with a dubbed recording of a real person, politicians and other public figures included.
"""

# Gradio confines the style sheet below to the inside of the page; this is about its margin and footer.
# The script lets HEIC photographs through: browsers do not know their type, so that Gradio would refuse them unsent.
HEAD = """<style>@media (max-width: 640px) {
  .gradio-container .main.fillable { padding: 10px !important; }
  footer .divider { display: none !important; }
}</style>
<script>
(() => {
  const isHeic = (file) => /\\.hei[cf]$/i.test(file.name) && !file.type.startsWith('image/');
  const named = (files) => {
    const bag = new DataTransfer();
    for (const file of files) bag.items.add(isHeic(file) ? new File([file], file.name, {type: 'image/heic'}) : file);
    return bag.files;
  };
  const isPictureInput = (input) => input && input.type === 'file' && (input.accept || '').includes('image');
  document.addEventListener('change', (event) => {
    if (isPictureInput(event.target) && [...event.target.files].some(isHeic)) {
      event.target.files = named(event.target.files);
    }
  }, true);
  document.addEventListener('drop', (event) => {
    if (![...event.dataTransfer.files].some(isHeic)) return;
    const input = event.target.closest('.block')?.querySelector('input[type=file]');
    if (!isPictureInput(input)) return;
    event.preventDefault();
    event.stopPropagation();
    input.files = named(event.dataTransfer.files);
    input.dispatchEvent(new Event('change', {bubbles: true}));
  }, true);
  // Telephones play a video in the page only if it says so, and with sound only after a touch: then without.
  const inPage = () => {
    for (const video of document.querySelectorAll('video:not([playsinline])')) video.setAttribute('playsinline', '');
  };
  new MutationObserver(inPage).observe(document, {childList: true, subtree: true});
  const begun = new WeakSet();
  document.addEventListener('canplay', ({target: video}) => {
    if (video.tagName !== 'VIDEO' || !video.autoplay || begun.has(video)) return;
    begun.add(video);
    setTimeout(() => {
      if (!video.paused || video.currentTime > 0) return;
      video.muted = true;
      video.play().catch(() => {});
    }, 500);
  }, true);
})();
</script>"""

# Thumbnails and tab panels come without a name for screen readers; the file's and the tab's own name will do.
NAMES = """
() => {
  const thumbnails = () => document.querySelectorAll('.gallery-item:not([aria-label])').forEach((item) => {
    const media = item.querySelector('img, video');
    if (!media) return;
    const file = decodeURIComponent((media.currentSrc || media.src).split('/').pop());
    item.setAttribute('aria-label', 'Sample ' + file.replace(/\\.\\w+$/, ''));
  });
  const pickers = () => document.querySelectorAll('input[type=file][accept="image/*"]').forEach((input) => {
    input.accept = 'image/*,.heic,.heif';
  });
  const panels = () => document.querySelectorAll('[role=tabpanel][id]:not([aria-label])').forEach((panel) => {
    const tab = panel.id && document.querySelector(`[role=tab][aria-controls="${panel.id}"]`);
    if (tab) panel.setAttribute('aria-label', tab.innerText.trim());
  });
  const name = () => { thumbnails(); pickers(); panels(); };
  name();
  new MutationObserver(name).observe(document.body, {childList: true, subtree: true});
}
"""

CSS = """
.gradio-container { max-width: 1240px !important; margin: 0 auto !important; }
.gradio-container .html-container { padding: 0 !important; }
.it-header { display: flex; gap: .9rem; align-items: center; padding: .4rem 0 0; }
.it-header h1 { font-size: 1.7rem; line-height: 1.1; margin: 0; letter-spacing: -.01em; }
.it-header p { margin: .15rem 0 0; color: var(--body-text-color-subdued); font-size: 1.02rem; }
.it-logo-disc { fill: var(--primary-100); } .dark .it-logo-disc { fill: var(--primary-900); }
.it-logo-line { fill: none; stroke: var(--primary-700); stroke-width: 2.6; stroke-linecap: round; }
.dark .it-logo-line { stroke: var(--primary-300); }
.it-engine { color: var(--body-text-color-subdued); font-size: .85rem; }
.it-engine b { color: var(--body-text-color); font-weight: 600; }
.it-note { border-left: 3px solid #d08700; padding: .1rem .7rem; margin: .4rem 0 0; color: var(--body-text-color); }
.it-consent { font-size: .85rem; color: var(--body-text-color-subdued); margin: 0; line-height: 1.45; }
.it-consent b { color: var(--body-text-color); }
.it-step { font-weight: 600; font-size: 1rem; margin: .3rem 0 0; }
.it-samples button { font-size: .86rem; font-weight: 500; }
.it-thumbs .gallery { gap: 6px; }
.it-thumbs .gallery-item img, .it-thumbs .gallery-item video, .it-thumbs .container { width: 56px; height: 56px; }
.it-thumbs .gallery-item .container { border-radius: 10px; overflow: hidden; }
.it-thumbs .gallery-item:hover .container, .it-thumbs .gallery-item:focus-visible .container {
  outline: 2px solid var(--primary-500); outline-offset: 1px; }
.it-clip .video-container { display: flex; flex-direction: column; }
.it-clip .video-container > .wrap { flex: 1 1 0; min-height: 0; }
.it-slim .min_value, .it-slim .max_value { display: none; }
.it-samples button img { width: 44px; height: 44px; border-radius: 9px; object-fit: cover; margin-right: .5rem; }
.it-samples button { justify-content: flex-start; text-align: left; padding: .35rem .7rem .35rem .4rem;
  white-space: normal; line-height: 1.2; flex-wrap: nowrap; }
.it-status { font-size: .92rem; padding: .15rem .1rem; min-height: 1.5rem; font-variant-numeric: tabular-nums; }
.it-status.it-idle span, .it-empty div { color: var(--body-text-color-subdued); }
.it-status.it-done::before { content: '✓ '; color: var(--primary-600); font-weight: 700; }
.it-bar { height: 6px; border-radius: 3px; margin-top: .4rem; overflow: hidden; background: var(--neutral-200); }
.dark .it-bar { background: var(--neutral-800); }
.it-bar i { display: block; height: 100%; border-radius: 3px; background: var(--primary-600); transition: width .4s; }
.dark .it-bar i { background: var(--primary-400); }
.it-chips { display: flex; flex-wrap: wrap; gap: .5rem; list-style: none; padding: 0; margin: 0 0 .8rem; }
.it-chips li { background: var(--neutral-100); border-radius: 10px; padding: .45rem .8rem; min-width: 6.5rem;
  margin: 0; }
.dark .it-chips li { background: var(--neutral-800); }
.it-chips b { display: block; font-size: 1.15rem; font-variant-numeric: tabular-nums; }
.it-chips span { font-size: .8rem; color: var(--body-text-color-subdued); }
.it-report { overflow-x: auto; }
.it-table { width: 100%; border-collapse: collapse; font-size: .9rem; }
.it-table, .it-table thead, .it-table tbody, .it-table tr { border: 0 !important; }
.it-table th, .it-table td { text-align: left; padding: .32rem .5rem; border: 0;
  border-bottom: 1px solid var(--border-color-primary); }
.it-table td { font-variant-numeric: tabular-nums; white-space: nowrap; }
.it-table thead th { color: var(--body-text-color-subdued); font-weight: 600; font-size: .82rem; }
.it-table tbody th { font-weight: 400; }
.it-table .it-sum th, .it-table .it-sum td { font-weight: 600; border-bottom: 0; }
.it-share { width: 30%; min-width: 70px; }
.it-share i { display: block; height: 7px; border-radius: 4px; background: var(--primary-400); min-width: 2px; }
.it-fine { font-size: .8rem; color: var(--body-text-color-subdued); margin: .6rem 0 0; }
.it-check td:last-child { white-space: normal; min-width: 12rem; }
.it-verdict { font-size: .9rem; line-height: 1.45; }
.it-verdict b::before { content: '●'; margin-right: .4rem; }
.it-good b::before { color: #1f9a5c; } .it-fair b::before { color: #d08700; } .it-poor b::before { color: #d0342c; }
.it-verdict ul { margin: .2rem 0 0 1.2rem; padding: 0; }
.it-hero { margin: 0; border: 1px solid var(--border-color-primary); border-radius: 14px; overflow: hidden;
  background: var(--block-background-fill); }
.it-hero video { display: block; width: 100%; aspect-ratio: 2 / 1; object-fit: contain; background: #000; }
.it-hero figcaption { padding: .7rem .9rem .8rem; font-size: .92rem; line-height: 1.45; }
.it-hero figcaption b { display: block; font-size: 1.02rem; }
.it-hero figcaption span { color: var(--body-text-color-subdued); }
.it-limit { font-size: .8rem; color: var(--body-text-color-subdued); margin: .25rem 0 0; }
.it-recent { font-size: .86rem; color: var(--body-text-color-subdued); margin: .3rem 0 0; }
.it-recent a { color: var(--primary-700); text-decoration: underline; white-space: nowrap; }
.dark .it-recent a { color: var(--primary-300); }
.it-result-tabs .tab-container button { padding-inline: .65rem; }
.it-big video { max-height: min(512px, 78vh); }
.it-empty { display: grid; place-items: center; text-align: center; min-height: 300px; padding: 1.5rem;
  color: var(--body-text-color-subdued); border: 1.5px dashed var(--border-color-primary); border-radius: 14px; }
.it-empty svg { display: block; margin: 0 auto .7rem; opacity: .6; }
@media (min-width: 1000px) { .it-sticky { position: sticky; top: .8rem; align-self: flex-start; } }
@media (max-width: 640px) {
  .it-big { height: calc(100vw - 20px) !important; } .it-pair { height: calc(50vw - 10px) !important; }
}
@media (max-width: 480px) {
  .it-header h1 { font-size: 1.35rem; } .it-header p { font-size: .92rem; }
  .it-chips li { flex: 1 1 40%; min-width: 0; } .it-empty { min-height: 160px; }
  .it-main-tabs > .tab-wrapper button, .it-result-tabs > .tab-wrapper button {
    padding-inline: .45rem !important; font-size: .82rem !important; letter-spacing: -.01em; }
  .it-main-tabs > .tab-wrapper button { padding-inline: .3rem !important; font-size: .78rem !important; }
}
@media (prefers-reduced-motion: reduce) { .it-bar i { transition: none; } }
footer { opacity: .8; }
"""
