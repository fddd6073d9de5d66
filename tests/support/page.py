"""The page in a real browser: what a visitor's hands and eyes do.

With IMTALKER_SCREENSHOTS set to a folder, pictures of the page are left there.
"""

import os
import shutil
from pathlib import Path

import pytest

playwright = pytest.importorskip("playwright.sync_api", reason="the browser tests need playwright")

expect = playwright.expect
CHROMIUM = next(filter(None, map(shutil.which, ("chromium", "chromium-browser", "google-chrome"))), None)
needs_chromium = pytest.mark.skipif(CHROMIUM is None, reason="the browser tests need Chromium on the PATH")

PATIENCE = 120_000  # milliseconds; a busy machine is slow
POLL = 200  # milliseconds; asking at every frame would keep the core from what is waited for
VIDEO = "document.querySelector('{selector} video')"


def shoot(page, name: str) -> None:
    folder = os.environ.get("IMTALKER_SCREENSHOTS")
    if folder:
        page.wait_for_timeout(800)
        page.screenshot(path=f"{folder}/app_{name}.png", full_page=True)


def wait_for_video(page, selector: str) -> dict[str, float]:
    """Until the finished video can play through; what the browser knows about it."""
    video = VIDEO.format(selector=selector)
    try:
        page.wait_for_function(f"{video} && {video}.readyState === 4", polling=POLL)
        page.wait_for_function(f"{video}.webkitVideoDecodedByteCount > 0", polling=POLL)
    except playwright.TimeoutError as error:
        seen = "v && [v.outerHTML, v.readyState, v.networkState, v.error && v.error.message]"
        state = page.evaluate(f"(() => {{ const v = {video}; return {seen} }})()")
        raise AssertionError(f"{selector} does not play: {state}") from error
    return page.evaluate(
        f"(() => {{ const v = {video};"
        "return {duration: v.duration, width: v.videoWidth, sound: v.webkitAudioDecodedByteCount} })()"
    )


def open_tab(page, name: str):
    """Choose a tab; its panel."""
    page.get_by_role("tab", name=name, exact=True).click()
    panel = page.get_by_role("tabpanel", name=name, exact=True)
    panel.wait_for()
    return panel


def upload(panel, label: str, path: Path) -> None:
    """Put a picture into the input of that name and wait until it is shown."""
    block = panel.locator(".block").filter(has=panel.page.get_by_test_id("block-label").get_by_text(label, exact=True))
    block.locator("input[type=file]").set_input_files(str(path))
    block.get_by_test_id("image").locator("img").wait_for()


def choose_speech(panel, name: str) -> None:
    """Click on a sample recording and wait until it is there."""
    panel.get_by_role("button", name=name, exact=True).click()
    panel.locator("[data-testid^='audio-player']").wait_for(state="attached")
