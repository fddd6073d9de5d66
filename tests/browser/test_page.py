"""The page in a real browser: each tab from click to playing video, stopping, correcting, complaining, looks.

With IMTALKER_SCREENSHOTS set to a folder, pictures of the page are left there.
"""

import os
import re
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

playwright = pytest.importorskip("playwright.sync_api", reason="the browser tests need playwright")

from imtalker.demo.runs.segments import can_stream  # noqa: E402
from tests.support.demo_process import sample_files, served_apart  # noqa: E402

expect = playwright.expect
CHROMIUM = next(filter(None, map(shutil.which, ("chromium", "chromium-browser", "google-chrome"))), None)
pytestmark = pytest.mark.skipif(CHROMIUM is None, reason="the browser tests need Chromium on the PATH")

PATIENCE = 120_000  # milliseconds; a busy machine is slow
POLL = 200  # milliseconds; asking at every frame would keep the core from what is waited for
VIDEO = "document.querySelector('{selector} video')"


@pytest.fixture(scope="module")
def files(tmp_path_factory) -> Path:
    folder = tmp_path_factory.mktemp("samples")
    sample_files(folder)
    return folder


@pytest.fixture(scope="module")
def address(files, tmp_path_factory) -> Iterator[str]:
    with served_apart(tmp_path_factory.mktemp("served"), files) as url:
        yield url


@pytest.fixture(scope="module")
def browser():
    """One window for all tests, so that the page's scripts are fetched once."""
    expect.set_options(timeout=PATIENCE)
    with playwright.sync_playwright() as engine:
        flags = ["--no-sandbox", "--autoplay-policy=no-user-gesture-required"]
        chromium = engine.chromium.launch(executable_path=CHROMIUM, args=flags)
        yield chromium.new_context()
        chromium.close()


@pytest.fixture
def open_page(browser, address):
    """Open the page; at the end, complain about errors on the console and requests to elsewhere."""
    problems: list[str] = []

    @contextmanager
    def opened(width: int = 1280, height: int = 900, dark: bool = False, stranger: bool = False):
        # Pages of one browser share six connections to a server; a stranger has a browser of their own.
        context = browser.browser.new_context() if stranger else browser
        page = context.new_page()
        page.set_viewport_size({"width": width, "height": height})
        page.emulate_media(color_scheme="dark" if dark else "light")
        page.set_default_timeout(PATIENCE)
        page.on("pageerror", lambda error: problems.append(f"page error: {error}"))
        page.on("console", lambda m: problems.append(f"console: {m.text}") if _is_fault(m) else None)
        page.on(
            "request",
            lambda request: problems.append(f"external: {request.url}") if _is_external(request.url, address) else None,
        )
        try:
            page.goto(address)
            page.get_by_role("button", name="Make it talk").wait_for()
            page.get_by_text("25 frames per second").first.wait_for()
            yield page
        finally:  # else its connections would keep the next test's page waiting
            page.close()
            if stranger:
                context.close()

    yield opened
    assert not problems, problems


def _is_fault(message) -> bool:
    """An error on the console, but for what Gradio says of a connection that a reload ends."""
    ended = ("signal is aborted", "Connection errored out")
    return message.type == "error" and not any(words in message.text for words in ended)


def _is_external(url: str, address: str) -> bool:
    return not url.startswith((address, "data:", "blob:"))


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


def test_the_page_is_complete_and_quiet(open_page):
    with open_page() as page:
        assert page.title().startswith("IMTalker")
        tabs = page.get_by_role("tab").all_inner_texts()
        assert tabs[:4] == ["Audio-driven", "Video-driven", "Dub a video", "Compare"]
        unnamed = page.evaluate(
            """() => [...document.querySelectorAll('button, input, textarea, select')]
            .filter(e => e.offsetParent !== null && e.type !== 'file')
            .filter(e => !(e.innerText || '').trim() && !e.labels?.length && !e.title
                         && !e.getAttribute('aria-label') && !e.getAttribute('aria-labelledby')
                         && !e.querySelector('img[alt]:not([alt=""]), [aria-label]'))
            .map(e => e.outerHTML.slice(0, 160))"""
        )
        assert not unnamed, unnamed
        for _ in range(80):
            page.keyboard.press("Tab")
            if page.evaluate("document.activeElement.innerText") == "Make it talk":
                break
        else:
            pytest.fail("the keyboard does not reach the button")
        shoot(page, "audio_light")


def test_a_sample_talks_after_one_click(open_page):
    with open_page() as page:
        page.get_by_role("button", name=re.compile("^Ada")).click()
        if can_stream():
            live = VIDEO.format(selector="#audio-live")
            page.wait_for_function(f"{live} && {live}.currentTime > 0.1", polling=POLL)
            shoot(page, "audio_live")
        facts = wait_for_video(page, "#audio-video")
        assert facts["duration"] == pytest.approx(3.6, abs=0.1) and facts["sound"] > 0
        page.get_by_text("Ready: 3.6 s").wait_for()
        assert page.evaluate("[...document.querySelectorAll('video')].every(video => video.playsInline)")
        shoot(page, "audio_done")
        assert wait_for_video(page, "#audio-beside")["width"] == 256
        open_tab(page, "Numbers").get_by_role("rowheader", name="Drawing the frames").wait_for()
        shoot(page, "audio_numbers")
        open_tab(page, "Code").get_by_text("handle_file('hello.wav')").wait_for()
        shoot(page, "audio_code")
        for words, name in (("Motion", "ada-hello-motion.safetensors"), ("Recipe", "ada-hello-recipe.json")):
            with page.expect_download() as download:
                page.get_by_role("button", name=words, exact=True).click()
            assert download.value.suggested_filename == name
        panel = open_tab(page, "Another face")
        panel.locator("#audio-next button:has(img)").nth(1).click()
        shoot(page, "audio_another")
        panel.get_by_role("button", name="Use this motion on it").click()
        page.get_by_text("apply_motion").first.wait_for(state="attached")
        assert wait_for_video(page, "#audio-video")["sound"] > 0


def test_a_clip_moves_a_portrait(open_page):
    with open_page() as page:
        panel = open_tab(page, "Video-driven")
        shoot(page, "video_light")
        panel.get_by_role("button", name=re.compile("Nod$")).first.click()
        facts = wait_for_video(page, "#video-video")
        assert facts["duration"] == pytest.approx(1.0, abs=0.1) and facts["sound"] > 0
        shoot(page, "video_done")


def test_a_clip_gets_new_lips(open_page, files):
    with open_page() as page:
        panel = open_tab(page, "Dub a video")
        expect(panel.get_by_label("Visible label")).to_be_checked()
        panel.get_by_role("button", name="Dub it").click()
        page.get_by_text("There is no clip to dub").first.wait_for()
        panel.locator("input[type=file]").first.set_input_files(str(files / "notes.txt.mp4"))
        panel.get_by_text("Not a good fit").first.wait_for()
        panel.get_by_role("button", name=re.compile("^Nod: ")).first.click()
        facts = wait_for_video(page, "#dub-video")
        assert facts["duration"] == pytest.approx(1.2, abs=0.1) and facts["sound"] > 0 and facts["width"] == 256
        panel.get_by_text("25 frames per second: the result has the same").wait_for()  # the preview
        assert wait_for_video(page, "#dub-beside")["width"] == 512
        shoot(page, "dub_done")
        open_tab(page, "Numbers").get_by_role("rowheader", name="Following the face").wait_for()
        open_tab(page, "Code").get_by_text("imtalker dub").first.wait_for(state="attached")
        page.wait_for_function("location.search.includes('result=')", polling=POLL)
        page.reload()
        page.get_by_text("Ready: 1.2 s").wait_for()  # found again, in its tab
        assert wait_for_video(page, "#dub-video")["sound"] > 0
        page.locator("#recent a").first.get_by_text("nod-").wait_for()


def test_settings_are_compared(open_page, files):
    with open_page() as page:
        panel = open_tab(page, "Compare")
        panel.get_by_label("Two portraits, one motion").click()
        upload(panel, "Portrait", files / "ada.png")
        upload(panel, "Second portrait", files / "bram.png")
        choose_speech(panel, "Hello")
        panel.get_by_role("button", name="Compare", exact=True).click()
        facts = wait_for_video(page, "#compare-video")
        assert facts["width"] == 256 and facts["sound"] > 0
        panel.get_by_role("rowheader", name="second portrait").wait_for()
        shoot(page, "compare_done")


def test_stop_keeps_what_is_made(open_page):
    with open_page() as page:
        page.get_by_role("button", name=re.compile("^Bram")).click()
        page.get_by_text(re.compile("Drawing [1-9]")).wait_for()
        assert page.get_by_role("button", name=re.compile("^Ada")).is_disabled()  # Stop could not reach a second run
        page.get_by_role("button", name="Stop").click()
        page.get_by_text(re.compile("^Stopped")).wait_for()
        facts = wait_for_video(page, "#audio-video")
        assert 0 < facts["duration"] < 39 and facts["sound"] > 0
        expect(page.get_by_role("button", name="Make it talk")).to_be_enabled()
        expect(page.get_by_role("button", name="Stop")).to_be_hidden()


def test_a_finished_sample_greets_and_plays(open_page):
    with open_page() as page:
        hero = page.locator(".it-hero video")
        hero.wait_for()
        page.get_by_text("A painting says a greeting").wait_for()
        video = "document.querySelector('.it-hero video')"
        page.wait_for_function(f"{video}.currentTime > 0.2", polling=POLL)
        assert page.evaluate(f"[{video}.muted, {video}.loop, {video}.videoWidth]") == [True, True, 256]
        panel = page.get_by_role("tabpanel", name="Audio-driven", exact=True)
        panel.get_by_role("button", name="A painting: a greeting").click()  # replaces it, at once: it has been made
        page.get_by_text("by an earlier visitor").wait_for()
        wait_for_video(page, "#audio-video")
        expect(hero).to_be_hidden()


def test_a_reload_in_the_middle_of_a_run_brings_it_back(open_page, files):
    with open_page() as page:
        panel = page.get_by_role("tabpanel", name="Audio-driven")
        upload(panel, "Portrait", files / "bram.png")
        choose_speech(panel, "Hello")
        panel.get_by_role("button", name="Make it talk").click()
        page.get_by_text(re.compile("Drawing|Ready")).first.wait_for()
        page.wait_for_function("location.search.includes('result=')", polling=POLL)
        page.reload()
        page.get_by_text(re.compile("Drawing|Ready")).first.wait_for()
        facts = wait_for_video(page, "#audio-video")
        assert facts["duration"] == pytest.approx(3.6, abs=0.1)
        page.get_by_text("Ready: 3.6 s").wait_for()
        expect(panel.get_by_role("button", name="Make it talk")).to_be_enabled()
        panel.get_by_test_id("image").locator("img").first.wait_for()  # the portrait is in its place again
        address = page.url
        page.goto(address.split("?")[0])
        recent = page.locator("#recent a")  # the list that the browser keeps, the newest first
        recent.first.wait_for()
        addresses = [link.get_attribute("href") for link in recent.all()]
        assert addresses[0] == "?" + address.split("?")[1] and len(set(addresses)) == len(addresses)
        recent.first.click()
        page.wait_for_function("location.search.includes('result=')", polling=POLL)
        wait_for_video(page, "#audio-video")
        video = VIDEO.format(selector="#audio-video")
        page.wait_for_function(f"{video}.currentTime > 0.1", polling=POLL)  # it shows itself, nobody has clicked
        assert page.url == address
        page.goto(address.split("?")[0] + "?result=" + "0" * 32)
        page.get_by_text("results are kept for an hour").first.wait_for()


def test_stop_leaves_the_line_at_once(open_page, files):
    with open_page() as first, open_page(stranger=True) as second:
        panel = second.get_by_role("tabpanel", name="Audio-driven")
        upload(panel, "Portrait", files / "visitor.png")  # no sample: those are told by content, results are kept
        choose_speech(panel, "Hello")
        busy = first.get_by_role("tabpanel", name="Audio-driven")
        upload(busy, "Portrait", files / "visitor.png")
        choose_speech(busy, "Long story")  # drawn until the second visitor has left, on any machine
        busy.get_by_role("button", name="Make it talk").click()
        first.get_by_text(re.compile("Drawing [1-9]")).wait_for()
        panel.get_by_role("button", name="Make it talk").click()
        second.get_by_text("One run comes first").wait_for()
        second.get_by_role("button", name="Stop").click()
        second.get_by_text("Stopped before anything was made").wait_for()
        expect(second.get_by_role("button", name="Make it talk")).to_be_enabled()
        assert first.get_by_text(re.compile("Drawing [1-9]")).is_visible()
        first.get_by_role("button", name="Stop").click()
        first.get_by_text(re.compile("^Stopped")).wait_for()


def test_heic_photographs_are_let_through(open_page, files, tmp_path):
    """The server decides by what is inside; the picker must not refuse them unsent."""
    photo = tmp_path / "IMG_0001.HEIC"
    shutil.copy(files / "ada.png", photo)
    with open_page() as page:
        panel = page.get_by_role("tabpanel", name="Audio-driven")
        upload(panel, "Portrait", photo)
        page.wait_for_function("document.querySelector('#audio-tab img[src*=\".jpg\"]')", polling=POLL)
        assert page.get_by_text("Invalid file type").count() == 0


def test_wrong_inputs_are_explained(open_page, files):
    with open_page() as page:
        panel = page.get_by_role("tabpanel", name="Audio-driven")
        start = panel.get_by_role("button", name="Make it talk")
        start.click()
        page.get_by_text("There is no portrait").first.wait_for()
        shoot(page, "audio_error")
        upload(panel, "Portrait", files / "ada.png")
        start.click()
        page.get_by_text("There is no speech").first.wait_for()
        panel = open_tab(page, "Compare")
        panel.get_by_role("button", name="Compare", exact=True).click()
        expect(page.get_by_text("There is no portrait")).to_have_count(2)


def test_controls_are_obeyed(open_page, files):
    """The picture's crop is corrected, a seed drawn, the head held: the run says that it used exactly this."""
    with open_page() as page:
        panel = page.get_by_role("tabpanel", name="Audio-driven")
        upload(panel, "Portrait", files / "ada.png")
        framing = panel.get_by_role("button", name=re.compile("^Face and crop: "))
        framing.wait_for()
        whole = panel.get_by_role("radio", name="Whole picture")
        if not whole.is_visible():
            framing.click()
        shoot(page, "audio_crop")
        whole.click()
        panel.get_by_text("The whole picture is animated").wait_for()
        choose_speech(panel, "Hello")
        panel.get_by_role("button", name="Quality and seed").click()
        seed, before = panel.get_by_label("Seed", exact=False).first, "25"
        expect(seed).to_have_value(before)
        panel.get_by_role("button", name="Random seed").click()
        expect(seed).not_to_have_value(before)
        panel.get_by_role("button", name="Head and eyes").click()
        panel.get_by_role("radio", name="Holds a pose").click()
        yaw = panel.get_by_role("spinbutton", name=re.compile("Yaw"))
        yaw.fill("-12")
        yaw.press("Tab")
        panel.get_by_role("button", name="Make it talk").click()
        wait_for_video(page, "#audio-video")
        code = open_tab(page, "Code")
        for argument in ("crop='none'", f"seed={seed.input_value()}", "yaw=-12"):
            code.get_by_text(argument).first.wait_for()


def test_controls_are_drawn_saved_and_loaded_again(open_page, files):
    with open_page() as page:
        panel = page.get_by_role("tabpanel", name="Audio-driven")
        choose_speech(panel, "Hello")
        panel.get_by_role("button", name="Head and eyes").click()
        panel.get_by_role("radio", name="Follows a file").click()
        panel.get_by_role("button", name="Draw them").click()
        board = panel.locator("svg.it-curves")
        panel.locator(".it-wave").first.wait_for(state="attached")  # the sound is shown
        board.scroll_into_view_if_needed()
        box = board.bounding_box()
        assert box is not None
        board.click(position={"x": 0.25 * box["width"], "y": 0.3 * box["height"]})
        panel.get_by_role("button", name="Add a point").click()  # without a mouse
        points = panel.get_by_role("slider", name=re.compile(r"^Yaw.*point \d of 2"))
        expect(points).to_have_count(2)
        before = float(points.nth(1).get_attribute("aria-valuenow") or "nan")
        points.nth(1).press("ArrowDown")
        points.nth(1).press("ArrowDown")
        expect(points.nth(1)).to_have_attribute("aria-valuenow", str(round(before - 2)))
        start = points.nth(0).bounding_box()
        assert start is not None
        page.mouse.move(start["x"] + start["width"] / 2, start["y"] + start["height"] / 2)
        page.mouse.down()
        page.mouse.move(start["x"] + 60, start["y"] + 90, steps=4)
        page.mouse.up()
        shoot(page, "audio_controls")
        panel.get_by_role("button", name="Use these curves").click()
        panel.locator("a[href*='controls.csv']").first.wait_for(state="attached")
        drawn = page.evaluate("JSON.parse(document.querySelector('.it-editor').dataset.curves).curves.yaw")
        assert len(drawn) == 2
        points.nth(0).press("Delete")
        expect(panel.get_by_role("slider", name=re.compile(r"^Yaw.*point 1 of 1"))).to_have_count(1)
        panel.get_by_role("button", name="Change the file above").click()
        loaded = "JSON.parse(document.querySelector('.it-editor').dataset.curves).curves.yaw"
        page.wait_for_function(f"{loaded}.length >= 2", polling=POLL)
        value = page.evaluate(f"{loaded}.at(-1)[1]")
        assert value == pytest.approx(drawn[-1][1], abs=0.5)


def test_it_fits_phones_in_dark_rooms(open_page):
    with open_page(360, 780, dark=True) as page:
        assert page.evaluate("document.body.classList.contains('dark')")
        for tab in ("Audio-driven", "Video-driven", "Dub a video", "Compare"):
            open_tab(page, tab)
            shoot(page, f"{tab.split('-')[0].lower()}_phone_dark")
            assert page.evaluate("document.documentElement.scrollWidth") <= 360
        open_tab(page, "Audio-driven").get_by_role("button", name=re.compile("^Ada")).click()
        expect(page.locator("#audio-run")).to_be_in_viewport()  # though it stands far below the samples
        wait_for_video(page, "#audio-video")
        shoot(page, "audio_done_phone_dark")
        box = "document.querySelector('{}').getBoundingClientRect()".format
        below = f"{box('#audio-video')}.top - {box('#audio-run')}.bottom"  # once the live view has handed over
        page.wait_for_function(f"0 <= {below} && {below} < 80", polling=POLL)  # directly
        for name in ("Side by side", "Numbers", "Another face", "Code", "Video-driven", "Dub a video", "Compare"):
            expect(page.get_by_role("tab", name=name, exact=True)).to_be_visible()  # not behind "..."
