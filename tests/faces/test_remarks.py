"""Remarks on portraits and clips: each on its own kind of picture, none on a good one."""

from pathlib import Path

import cv2
import numpy as np
import pytest
from PIL import Image, ImageDraw

from imtalker.config import CropConfig
from imtalker.errors import WeightsError
from imtalker.faces import remarks as module
from imtalker.faces.remarks import clip_remarks, portrait_remarks
from imtalker.media.crop import whole_picture
from imtalker.media.framing import Framing
from imtalker.media.video import read_frames
from tests.support.sample_media import write_video

ASSETS = Path(__file__).resolve().parents[2] / "assets"


@pytest.fixture(scope="module")
def framing() -> Framing:
    return Framing(CropConfig(scale=1.483, shift_y=0.006))


def codes(framing: Framing, image: np.ndarray) -> set[str]:
    return {remark.code for remark in portrait_remarks(image, framing.of_picture(image), framing.faces(image))}


def portrait(name: str = "ada") -> Image.Image:
    return Image.open(ASSETS / "portraits" / f"{name}.jpg").convert("RGB")


def drawn(paint, name: str = "ada") -> np.ndarray:
    picture = portrait(name)
    paint(ImageDraw.Draw(picture))
    return np.asarray(picture)


def sunglasses(d: ImageDraw.ImageDraw) -> None:
    d.ellipse((255, 280, 375, 380), fill=(15, 15, 18))
    d.ellipse((395, 280, 515, 380), fill=(15, 15, 18))


def mask(colour):
    outline = [(270, 410), (385, 380), (500, 410), (480, 560), (385, 610), (290, 560)]
    return lambda d: d.polygon(outline, fill=colour)


def hand(d: ImageDraw.ImageDraw) -> None:
    for i in range(4):
        d.rounded_rectangle((300 + 45 * i, 440, 338 + 45 * i, 768), 18, fill=(214, 160, 130))


@pytest.mark.parametrize("file", sorted(path.name for path in (ASSETS / "portraits").glob("*.jpg")))
def test_good_portraits_pass_without_a_word(framing, file):
    assert codes(framing, np.asarray(Image.open(ASSETS / "portraits" / file).convert("RGB"))) == set()


@pytest.mark.parametrize("colour", [(120, 170, 200), (235, 235, 240), (30, 30, 30)])
def test_masks(framing, colour):
    assert "covered_mouth" in codes(framing, drawn(mask(colour)))


def test_hands_and_dark_glasses(framing):
    assert "covered_mouth" in codes(framing, drawn(hand))
    assert codes(framing, drawn(sunglasses)) - {"tilted"} == {"covered_eyes"}


def test_open_mouths_of_portraits_and_drivers(framing, tmp_path):
    frames = list(read_frames(ASSETS / "driving" / "talk_man.mp4"))
    change = [np.abs(f[150:205, 90:166].astype(int) - frames[0][150:205, 90:166]).mean() for f in frames]
    widest = int(np.argmax(change))
    assert codes(framing, cv2.resize(frames[widest], (512, 512))) == {"open_mouth"}
    path = write_video(tmp_path / "v.mp4", frames=5, picture=lambda i: frames[widest + i])
    assert [remark.code for remark in clip_remarks(framing.clip(path))] == ["open_mouth"]
    assert clip_remarks(framing.clip(ASSETS / "driving" / "talk_man.mp4")) == ()


@pytest.mark.parametrize(
    ("angle", "code", "turn"), [(30, "tilted", "30"), (90, "sideways", "90"), (180, "sideways", "180")]
)
def test_tilted_heads_and_lying_pictures(framing, angle, code, turn):
    image = np.asarray(portrait("bram").rotate(angle, resample=Image.Resampling.BICUBIC, fillcolor=(120, 120, 120)))
    (remark,) = (r for r in portrait_remarks(image, framing.of_picture(image)) if r.code in ("tilted", "sideways"))
    assert remark.code == code and abs(int("".join(filter(str.isdigit, remark.words))) - int(turn)) <= 4


def test_blurred_small_and_cut_portraits(framing):
    image = np.asarray(portrait())
    assert "blurred" in codes(framing, cv2.GaussianBlur(image, (0, 0), 12))
    assert "small" in codes(framing, cv2.resize(image, (140, 140), interpolation=cv2.INTER_AREA))
    assert {"border", "cut_off"} <= codes(framing, np.ascontiguousarray(image[60:470, 150:620]))


def test_two_faces(framing):
    both = np.hstack([np.asarray(portrait(name)) for name in ("ada", "bram")])
    assert codes(framing, both) == {"more_faces"}


def test_squares_with_a_distant_face_or_none(framing):
    empty = np.full((900, 600, 3), 130, np.uint8)
    empty[::7] = 90  # not blurred
    everything = whole_picture(empty.shape[:2])
    assert [remark.code for remark in portrait_remarks(empty, everything, framing.faces(empty))] == ["no_face"]
    for side, level in ((300, "fair"), (150, "poor")):
        picture = empty.copy()
        picture[50 : 50 + side, 100 : 100 + side] = np.asarray(portrait().resize((side, side)))
        remarks = {r.code: r.level for r in portrait_remarks(picture, everything, framing.faces(picture))}
        assert remarks["far"] == level and "more_faces" not in remarks and "border" not in remarks
        assert not codes(framing, picture) & {"far", "no_face"}  # the automatic square is close


def test_without_landmarks_fewer_remarks_are_made(framing, monkeypatch):
    def missing(square):
        raise WeightsError("no landmarks here")

    monkeypatch.setattr(module, "find_faces", missing)
    assert codes(framing, drawn(mask((120, 170, 200)))) == set()
    small = cv2.resize(np.asarray(portrait()), (140, 140), interpolation=cv2.INTER_AREA)
    assert "small" in codes(framing, small)
