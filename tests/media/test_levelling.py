"""Faces found and levelled whichever way up a picture lies, and turned back at the end."""

from pathlib import Path

import cv2
import numpy as np
import pytest
import torch
from PIL import Image

from imtalker.config import CropConfig
from imtalker.errors import InputError
from imtalker.media.crop import CropBox, Placement, crop_and_resize
from imtalker.media.face_detector import Face
from imtalker.media.framing import Framing, format_crop, parse_crop
from imtalker.media.levelling import find_faces
from imtalker.media.paste_back import PasteBack
from imtalker.pipeline.animation import FrameChunk
from imtalker.pipeline.finishing import Finisher, FinishOptions, finished_size
from imtalker.pipeline.inputs import SourceImage
from imtalker.pipeline.rendering import wide_picture

PORTRAITS = Path(__file__).parents[2] / "assets" / "portraits"


@pytest.fixture(scope="module")
def framing() -> Framing:
    return Framing(CropConfig(scale=1.5))


def portrait(name: str, side: int = 384) -> Image.Image:
    return Image.open(PORTRAITS / f"{name}.jpg").convert("RGB").resize((side, side))


def turned(picture: Image.Image, angle: float) -> np.ndarray:
    fill = tuple(int(value) for value in np.asarray(picture)[:20, :20].mean((0, 1)))
    return np.asarray(picture.rotate(angle, resample=Image.Resampling.BICUBIC, fillcolor=fill))


@pytest.mark.parametrize("angle", [20, -40, 65, 90, 135, 180, 270, 330])
def test_a_tilted_face_is_levelled(framing, angle):
    for name in ("ada", "omar"):
        picture = portrait(name)
        upright = framing.of_picture(np.asarray(picture))
        box = framing.of_picture(turned(picture, angle))
        assert upright.angle == 0 and abs((box.angle - angle + 180) % 360 - 180) < 8
        assert box.side == pytest.approx(upright.side, rel=0.1)
        level = crop_and_resize(turned(picture, angle), box, 128).astype(float)
        straight = crop_and_resize(np.asarray(picture), upright, 128).astype(float)
        inner = (slice(24, 104), slice(24, 104))
        assert np.corrcoef(level[inner].ravel(), straight[inner].ravel())[0, 1] > 0.75


def test_an_unsure_face_on_its_side_is_no_reason_to_turn_a_picture():
    """Animals and objects look a little like faces, whichever way up."""

    class Detector:
        def __init__(self, score):
            self.score = score

        def detect(self, image):
            upright = image.shape == (60, 80, 3)
            return [Face((10, 10, 30, 30), 0.5 if upright else self.score)]

    picture = np.zeros((60, 80, 3), np.uint8)
    assert [face.angle for face in find_faces(picture, Detector(0.7))] == [0]
    assert [face.angle % 180 for face in find_faces(picture, Detector(0.9))] == [90]


def test_upright_faces_stay_as_they_are(framing):
    for file in sorted(PORTRAITS.glob("*.jpg")):
        assert framing.of_picture(np.asarray(Image.open(file).convert("RGB"))).angle == 0


def test_a_turned_square_is_what_a_turned_picture_shows():
    picture = np.random.default_rng(0).integers(0, 255, (80, 120, 3)).astype(np.uint8)
    for quarter in range(4):
        square = crop_and_resize(picture, CropBox(30, 20, 40, 90.0 * quarter), 40)
        assert np.abs(square.astype(int) - np.rot90(picture[20:60, 30:70], -quarter)).max() <= 1


@pytest.mark.parametrize("place", [Placement(60, 40, 50, 33), Placement(12, 70, 60, -100), Placement(60, 40, 300, 10)])
@pytest.mark.parametrize("size", [32, 128])
def test_cutting_equals_padding_first(place, size):
    """The visible part is scaled before its border is repeated: the same as the other way round."""
    picture = cv2.GaussianBlur(np.random.default_rng(1).normal(128, 800, (80, 120, 3)), (0, 0), 12)
    picture = np.clip(picture, 0, 255).astype(np.uint8)
    pad = 300
    large = cv2.copyMakeBorder(picture, pad, pad, pad, pad, cv2.BORDER_REPLICATE)
    matrix = Placement(place.x + pad, place.y + pad, place.side, place.angle).matrix(512)
    flags = cv2.INTER_CUBIC | cv2.WARP_INVERSE_MAP
    wanted = cv2.resize(cv2.warpAffine(large, matrix, (512, 512), flags=flags), (size, size), interpolation=3)
    difference = np.abs(crop_and_resize(picture, place, size).astype(int) - wanted)
    assert difference.mean() < 3 and np.percentile(difference, 99) < 24


@pytest.mark.parametrize("angle", [0.0, 20.0, 90.0, 200.0])
def test_paste_back_undoes_the_turn(angle):
    picture = np.asarray(portrait("bram"))
    box = CropBox(90, 80, 220, angle)
    same = PasteBack(picture, box)(crop_and_resize(picture, box, 256)[None])[0]
    assert np.abs(same.astype(int) - picture).mean() < 1.5
    marked = crop_and_resize(picture, box, 256)
    marked[60:70, 120:136] = (255, 0, 0)  # above the middle, as the levelled head sees it
    result = PasteBack(picture, box)(marked[None])[0].astype(int)
    rows, columns = np.nonzero((result[..., 0] > 200) & (result[..., 1] < 60) & (result[..., 2] < 60))
    up = np.array([200.0, 190.0]) - np.array([columns.mean(), rows.mean()])
    found = np.degrees(np.arctan2(up[0], up[1]))
    assert abs((found - angle + 180) % 360 - 180) < 4
    outside = np.ones(picture.shape[:2], bool)
    outside[26:354, 36:364] = False
    assert (result[outside] == picture[outside]).all()


def finished_frames(finisher: Finisher, squares: np.ndarray) -> np.ndarray:
    return np.concatenate([chunk.frames for chunk in finisher.finish([FrameChunk(squares, 0, len(squares))])])


def test_a_levelled_square_comes_out_as_it_lay(framing):
    picture = turned(portrait("ada"), 40)
    box = framing.of_picture(picture)
    squares = crop_and_resize(picture, box, 256)[None]
    finished = finished_frames(Finisher(SourceImage(picture, box, {}), 256), squares)
    upright = crop_and_resize(picture, box.upright, 256)
    assert finished.shape == (1, 256, 256, 3) and np.abs(finished[0].astype(int) - upright).mean() < 3
    bare = finished_frames(Finisher(SourceImage(picture, box, {}), 256, FinishOptions(bare=True)), squares)
    assert (bare == squares).all()


@pytest.mark.parametrize(
    ("size", "limit", "wanted"),
    [
        ((3024, 4032), 1920, (1440, 1920)),
        ((6048, 8064), 1920, (1440, 1920)),
        ((12000, 1080), 1920, (1920, 172)),
        ((481, 301), 1920, (480, 300)),
        ((4000, 4000), 4096, (3072, 3072)),
        ((49000, 1000), 1920, (1920, 38)),
    ],
)
def test_finished_pictures_are_even_and_playable(size, limit, wanted):
    height, width = finished_size(size, limit)
    assert height % 2 == width % 2 == 0 and max(height, width) <= limit
    assert -(-height // 16) * -(-width // 16) <= 36_864  # what H.264 level 5.1 holds
    assert abs(height - wanted[0]) <= 2 and abs(width - wanted[1]) <= 2
    with pytest.raises(InputError, match="5000"):
        finished_size(size, 5000)


def test_scaled_pictures_show_the_square_in_its_place():
    picture = np.zeros((3000, 2000, 3), np.uint8)
    box = CropBox(500, 1000, 800)
    finish = Finisher(SourceImage(picture, box, {}), 64, FinishOptions(paste_back=True, max_side=300))
    result = finished_frames(finish, np.full((1, 64, 64, 3), 200, np.uint8))[0]
    assert finish.size == result.shape[:2] == (300, 200)
    rows, columns = np.nonzero(result[..., 0] > 60)
    assert abs(rows.mean() - 139.5) < 1 and abs(columns.mean() - 89.5) < 1 and 55 < np.ptp(rows) < 80


def test_notation_of_squares():
    far = ("9" * 400 + ",2,30", f"1,2,3{0:0400}", "1,-9999999999,30")
    for text in ("auto", "none", "12,-3,40", "12,-3,40,90", "1,2,300,-12.5"):
        assert format_crop(parse_crop(text)) == text
    for text in ("", "1,2", "1,2,3,4,5", "a,b,c", "1,2,30,x", "1.5,2,30", "1,2,30,nan", "1,2,8", *far):
        with pytest.raises(InputError):
            parse_crop(text)


@pytest.mark.parametrize("angle", [0.0, 25.0, 180.0])
def test_the_wide_picture_lies_as_its_square(angle):
    picture = np.asarray(portrait("bram"))
    box = CropBox(120, 100, 150, angle)
    wide, reach = wide_picture(picture, box, 150, torch.zeros(1))
    side = wide.shape[-1]
    margin = (side - 150) // 2
    middle = wide[0, :, margin : margin + 150, margin : margin + 150].permute(1, 2, 0).numpy() * 255
    assert reach == pytest.approx(side / 150, abs=0.02)
    assert np.abs(middle - crop_and_resize(picture, box, 150)).mean() < 3
