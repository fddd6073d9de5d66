"""The two pictures of README.md, made from the bundled samples with the bundled weights (synthetic people only).

python -m tools.pictures teaser    assets/pictures/teaser.webp: portraits, what drives them, what comes out
python -m tools.pictures app       assets/pictures/app.webp: the app with a finished run (needs Chromium)
"""

import argparse
import shutil
import sys
import tempfile
from collections.abc import Iterable, Iterator, Sequence
from itertools import islice
from pathlib import Path

import numpy as np
from PIL import Image, ImageDraw, ImageFont

from imtalker import MotionControls, load_pipeline
from imtalker.config import FRAME_RATE
from tools.served_app import served_app

ASSETS = Path(__file__).resolve().parents[1] / "assets"
PICTURES = ASSETS / "pictures"
SIDE, GAP, WORDS = 232, 8, 30  # pixels: of a tile, between tiles, of the line under them
SECONDS, KEEP = 3.6, 2  # length; every second frame is shown
MOST_BYTES = 2_000_000


def main() -> None:
    """Make the pictures that are asked for."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("picture", choices=("teaser", "app"))
    make = {"teaser": make_teaser, "app": make_app_picture}
    path = make[parser.parse_args().picture]()
    size = path.stat().st_size
    sys.stdout.write(f"{path}: {size / 1e6:.2f} MB\n")
    if size > MOST_BYTES:
        raise SystemExit(f"{path} is larger than {MOST_BYTES / 1e6:g} MB; make it shorter or smaller")


def make_teaser() -> Path:
    """Four tiles in step: a driving clip, a portrait that follows it, two portraits that speak."""
    pipeline = load_pipeline("tiny")
    clip = ASSETS / "driving" / "turn_head.mp4"
    speech = ASSETS / "speech" / "welcome.wav"
    lively = MotionControls(yaw=_sway(14.0), pitch=_sway(4.0, 0.7))
    driver = pipeline.encode_driver(clip)
    size = pipeline.size or 512
    parts: dict[str, Iterable[np.ndarray]] = {
        "a driving clip": driver.squares(size),
        "drives a portrait": pipeline.animate_from_video(ASSETS / "portraits" / "mei.jpg", driver).frames(),
        "a painting speaks": pipeline.animate_from_audio(ASSETS / "portraits" / "painting.jpg", speech).frames(),
        "a head led by curves": pipeline.animate_from_audio(ASSETS / "portraits" / "ada.jpg", speech, lively).frames(),
    }
    tiles = {
        words: list(islice(_thinned(frames), round(SECONDS * FRAME_RATE / KEEP))) for words, frames in parts.items()
    }
    strips = [_strip(list(tiles), pictures) for pictures in zip(*tiles.values(), strict=False)]
    target = PICTURES / "teaser.webp"
    PICTURES.mkdir(exist_ok=True)
    pause = round(1000 * KEEP / FRAME_RATE)
    strips[0].save(target, save_all=True, append_images=strips[1:], duration=pause, loop=0, quality=62, method=6)
    return target


def _sway(degrees: float, turns: float = 1.0) -> np.ndarray:
    """A slow swing from one side to the other and back, one value a frame."""
    time = np.arange(round(SECONDS * FRAME_RATE)) / (SECONDS * FRAME_RATE)
    return (degrees * np.sin(2 * np.pi * turns * time)).astype(np.float32)


def _thinned(frames: Iterable[np.ndarray]) -> Iterator[Image.Image]:
    for frame in islice(frames, 0, None, KEEP):
        yield Image.fromarray(frame).resize((SIDE, SIDE), Image.Resampling.LANCZOS)


def _strip(words: Sequence[str], pictures: Sequence[Image.Image]) -> Image.Image:
    strip = Image.new("RGB", (len(words) * (SIDE + GAP) - GAP, SIDE + WORDS), "white")
    draw, font = ImageDraw.Draw(strip), ImageFont.load_default(15)
    for index, (line, picture) in enumerate(zip(words, pictures, strict=True)):
        left = index * (SIDE + GAP)
        strip.paste(picture, (left, 0))
        draw.text((left + SIDE / 2, SIDE + WORDS / 2), line, "#444444", font, anchor="mm")
    return strip


def make_app_picture() -> Path:
    """The app after a click on a sample."""
    from playwright.sync_api import sync_playwright

    chromium = next(filter(None, map(shutil.which, ("chromium", "chromium-browser", "google-chrome"))), None)
    if chromium is None:
        raise SystemExit("the picture of the app needs Chromium on the PATH")
    PICTURES.mkdir(exist_ok=True)
    target = PICTURES / "app.webp"
    with served_app() as (address, _), sync_playwright() as engine:
        flags = ["--no-sandbox", "--autoplay-policy=no-user-gesture-required"]
        browser = engine.chromium.launch(executable_path=chromium, args=flags)
        page = browser.new_page(viewport={"width": 1240, "height": 860})
        page.set_default_timeout(600_000)
        page.goto(address)
        page.get_by_role("button", name="Ada", exact=False).first.click()
        video = "document.querySelector('#audio-video video')"
        page.wait_for_function(f"{video} && {video}.readyState === 4", polling=500)
        page.evaluate(f"{video}.pause(); {video}.currentTime = 1.5")
        page.evaluate("window.scrollTo(0, 0); document.activeElement.blur()")
        page.wait_for_timeout(1500)
        with tempfile.TemporaryDirectory() as folder:
            page.screenshot(path=f"{folder}/app.png")
            Image.open(f"{folder}/app.png").convert("RGB").save(target, quality=82, method=6)
        browser.close()
    return target


if __name__ == "__main__":
    main()
