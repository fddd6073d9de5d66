"""The page as it is met: complete and quiet; its inputs, complaints and controls."""

import re
import shutil

import pytest

from tests.support.page import POLL, choose_speech, expect, needs_chromium, open_tab, shoot, upload, wait_for_video

pytestmark = needs_chromium


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
