"""Runs on the page: each tab from click to playing video, stopping, coming back, standing in line; on a phone."""

import re

import pytest

from imtalker.demo.runs.segments import can_stream
from tests.support.page import (
    POLL,
    VIDEO,
    choose_speech,
    expect,
    needs_chromium,
    open_tab,
    shoot,
    upload,
    wait_for_video,
)

pytestmark = needs_chromium


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
