"""Framing of clips: by the pictures that show a face, following where it walks, aware of cuts and hidden faces."""

from pathlib import Path

import cv2
import numpy as np
import pytest
import torch
from PIL import Image

from imtalker.config import CropConfig
from imtalker.errors import InputError, NoFaceError
from imtalker.media.clip_framing import ClipFraming
from imtalker.media.crop import CropBox
from imtalker.media.framing import Framing
from imtalker.media.video import count_frames
from imtalker.pipeline.rendering import EASE_FRAMES, PoseHold
from tests.support.sample_media import write_video

PORTRAITS = Path(__file__).parents[2] / "assets" / "portraits"
HEIGHT, WIDTH = 270, 480


@pytest.fixture(scope="module")
def framing() -> Framing:
    return Framing(CropConfig(scale=1.5))


def face(name: str, side: int) -> np.ndarray:
    return np.asarray(Image.open(PORTRAITS / f"{name}.jpg").convert("RGB").resize((side, side)))


def scene(*people: tuple[str, int, int, int], angle: int = 0) -> np.ndarray:
    """Faces (name, left, top, side) in a grey room."""
    picture = np.full((HEIGHT, WIDTH, 3), 100, np.uint8)
    for name, left, top, side in people:
        part = picture[max(top, 0) : top + side, max(left, 0) : left + side]
        part[:] = face(name, side)[max(-top, 0) :, max(-left, 0) :][: part.shape[0], : part.shape[1]]
    return np.ascontiguousarray(np.rot90(picture, angle // 90))


def clip(path: Path, pictures: list[np.ndarray]) -> Path:
    return write_video(path, frames=len(pictures), picture=lambda index: pictures[index])


def codes(framed: ClipFraming) -> set[str]:
    return {remark.code for remark in framed.remarks}


def centres(framed: ClipFraming, frames: int) -> np.ndarray:
    return np.array([(framed.at(i).x, framed.at(i).y, framed.at(i).side) for i in range(frames)])


def test_a_face_that_keeps_its_place_has_one_square(tmp_path, framing):
    path = clip(tmp_path / "v.mp4", [scene(("ada", 150 + (i % 5), 40, 190)) for i in range(30)])
    framed = framing.clip(path)
    assert not framed.follows and not framed.remarks and not framed.hidden
    assert framed.box == framing.of_clip(path) and framed.box.placement == framed.at(17)


@pytest.mark.parametrize("dark", [1, 9, 12])
def test_a_black_start_is_framed_by_the_first_face(tmp_path, framing, dark):
    black = np.zeros((HEIGHT, WIDTH, 3), np.uint8)
    path = clip(tmp_path / "v.mp4", [black] * dark + [scene(("bram", 250, 40, 190))] * 20)
    framed = framing.clip(path)
    assert not framed.follows and abs(framed.at(0).x - 345) < 25
    assert [framed.sees_face(i) for i in range(dark + 20)] == [i >= dark for i in range(dark + 20)]
    assert framed.first_time == pytest.approx(dark / 25, abs=1e-3) and len(framed.faces) == 1
    assert framed.first_picture is not None and framed.first_picture.mean() > 20
    assert ("late_face" in codes(framed)) == (dark > 2)


def test_the_square_follows_a_face_that_walks(tmp_path, framing):
    path = clip(tmp_path / "v.mp4", [scene(("ada", 20 + 5 * i, 40, 190)) for i in range(50)])
    framed = framing.clip(path)
    assert framed.follows and codes(framed) == {"moving_face"}
    x = centres(framed, 50)[:, 0]
    assert np.abs(x - (115 + 5 * np.arange(50))).max() < 12  # neither lags nor leads
    assert np.abs(np.diff(x, 2)).max() < 1.5  # and moves evenly


def test_nodding_is_left_to_the_motion(tmp_path, framing):
    sway = [round(10 * np.sin(i / 4)) for i in range(50)]
    path = clip(tmp_path / "v.mp4", [scene(("ada", 60 + 4 * i + sway[i], 40, 190)) for i in range(50)])
    x = centres(framing.clip(path), 50)[:, 0] - 4 * np.arange(50)
    assert np.ptp(x[8:-8]) < 0.5 * np.ptp(sway)


def test_the_square_grows_with_a_face_that_comes_near(tmp_path, framing):
    sizes = [100 + 3 * i for i in range(50)]
    path = clip(tmp_path / "v.mp4", [scene(("bram", 240 - s // 2, 135 - s // 2, s)) for s in sizes])
    sides = centres(framing.clip(path), 50)[:, 2]
    ratio = sides / sizes
    assert sides[-1] > 1.8 * sides[0] and ratio.max() / ratio.min() < 1.25


def test_a_cut_is_noticed_to_the_frame(tmp_path, framing):
    left, right = scene(("bram", 20, 40, 190)), scene(("mei", 270, 40, 190))
    framed = framing.clip(clip(tmp_path / "v.mp4", [left] * 23 + [right] * 23))
    assert codes(framed) == {"cut"} and "0.9 s" in str(framed.remarks[0])
    x = centres(framed, 46)[:, 0]
    assert np.ptp(x[:23]) == 0 and np.ptp(x[23:]) == 0 and x[23] - x[22] > 200


def test_somebody_else_is_not_followed_when_the_first_leaves(tmp_path, framing):
    both, other = scene(("bram", 10, 30, 220), ("mei", 300, 60, 150)), scene(("mei", 300, 60, 150))
    framed = framing.clip(clip(tmp_path / "v.mp4", [both] * 20 + [other] * 20))
    assert codes(framed) == {"hidden_face", "more_faces"} and not framed.follows
    assert [framed.sees_face(i) for i in range(40)] == [True] * 20 + [False] * 20
    second = framing.clip(tmp_path / "v.mp4", face=1)
    assert second.at(0).x > 300 and codes(second) == {"more_faces"}
    with pytest.raises(InputError, match="has 2"):
        framing.clip(tmp_path / "v.mp4", face=2)


def test_a_hidden_face_comes_back_to_the_same_square(tmp_path, framing):
    shown, hidden = scene(("bram", 140, 40, 190)), scene()
    framed = framing.clip(clip(tmp_path / "v.mp4", [shown] * 12 + [hidden] * 8 + [shown] * 12))
    assert not framed.follows and codes(framed) == {"hidden_face"}
    assert [i for i in range(32) if not framed.sees_face(i)] == list(range(12, 20))


@pytest.mark.parametrize("angle", [90, 180, 270])
def test_a_clip_that_lies_on_its_side_is_levelled(tmp_path, framing, angle):
    path = clip(tmp_path / "v.mp4", [scene(("ada", 150, 40, 190), angle=angle)] * 6)
    framed = framing.clip(path)
    assert framed.at(0).angle % 360 == angle
    upright = framing.clip(clip(tmp_path / "u.mp4", [scene(("ada", 150, 40, 190))] * 6))
    assert framed.at(0).side == pytest.approx(upright.at(0).side, rel=0.08)


def test_squares_by_hand_and_no_face(tmp_path, framing):
    path = clip(tmp_path / "v.mp4", [scene()] * 5)
    with pytest.raises(NoFaceError, match=r"v\.mp4"):
        framing.clip(path)
    assert framing.clip(path, CropBox(10, 20, 100)).box == CropBox(10, 20, 100)
    assert framing.clip(path, None).at(3).side == WIDTH
    with pytest.raises(InputError, match="side 60000 is too large"):
        framing.clip(path, CropBox(0, 0, 60000))


def test_long_clips_are_looked_at_by_key_frames(tmp_path, framing, monkeypatch):
    monkeypatch.setattr("imtalker.media.framing.LONG_CLIP", 1.0)
    still = clip(tmp_path / "still.mp4", [scene(("ada", 150, 40, 190))] * 40)
    assert framing.clip(still).box == framing.of_clip(still) and count_frames(still) == 40
    late = clip(tmp_path / "late.mp4", [scene()] * 10 + [scene(("ada", 150, 40, 190))] * 30)  # no face in key frames
    assert framing.clip(late).first_time == pytest.approx(0.4, abs=0.05)


def test_held_poses():
    hold = PoseHold()
    motion = torch.arange(1.0, 9.0)[:, None].expand(8, 32)
    assert hold(None, [False, False]) is None and hold.waiting == 2
    first = hold(motion[:2], [True, False, True])
    assert first is not None and first[:, 0].tolist()[:4] == [1, 1, 1, 1] and len(first) == 5
    assert 1 < first[4, 0] < 2  # eased into
    rest = hold(motion[2:], [True] * 6)
    assert rest is not None and len(rest) == 6 and torch.equal(rest[EASE_FRAMES - 1 :], motion[7:])
    assert (rest[1:] > rest[:-1]).all()


def test_nothing_changes_where_the_face_is_always_seen():
    hold, motion = PoseHold(), torch.randn(7, 32)
    parts = [hold(motion[:3], [True] * 3), hold(motion[3:], [True] * 4)]
    assert torch.equal(torch.cat([part for part in parts if part is not None]), motion)


def test_a_face_at_the_border_is_remarked(tmp_path, framing):
    picture = cv2.resize(face("ada", 480), (480, 480))[150:420]
    framed = framing.clip(clip(tmp_path / "v.mp4", [np.ascontiguousarray(picture)] * 5))
    assert "cut_off" in codes(framed)
