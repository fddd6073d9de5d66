"""Clips to learn mouths from: what is asked of the two videos of a person."""

from types import SimpleNamespace

import numpy as np
import pytest

pytest.importorskip("moderngl", reason="moderngl is not installed (pip install .[train])")

from imtalker.media.video import read_frames
from tools.synthetic_people import mouth_clips
from tools.synthetic_people.mouth_clips import FPS, POSES, write_mouth_clips
from tools.synthetic_people.renderer import Pose


class Studio:
    """Renders a grey picture; remembers what it was asked."""

    width = height = 32

    def __init__(self, size: int) -> None:
        self.asked: list[tuple[dict[str, float], Pose]] = []
        studios.append(self)

    def person(self, seed: int, stage: object) -> int:
        return seed

    def render(self, person: int, units: dict[str, float], pose: Pose) -> SimpleNamespace:
        self.asked.append((units, pose))
        return SimpleNamespace(image=np.full((32, 32, 3), 128, np.uint8))


studios: list[Studio] = []


def test_both_clips_show_the_same_heads_with_other_mouths(tmp_path, monkeypatch):
    monkeypatch.setattr(mouth_clips, "PersonRenderer", Studio)
    write_mouth_clips(tmp_path, 5, 2, 32)
    assert sorted(p.name for p in tmp_path.iterdir()) == [f"mouths_{n}{e}.mp4" for n in (5, 6) for e in ("-other", "")]
    asked = studios[-1].asked
    assert len(asked) == 4 * POSES
    one, two = asked[:POSES], asked[POSES : 2 * POSES]
    assert [pose for _, pose in one] == [pose for _, pose in two]
    assert all(a["eyeBlinkLeft"] == b["eyeBlinkLeft"] for (a, _), (b, _) in zip(one, two, strict=True))
    assert all(a["jawOpen"] != b["jawOpen"] for (a, _), (b, _) in zip(one, two, strict=True))
    assert len(list(read_frames(tmp_path / "mouths_5.mp4", FPS))) == POSES
    write_mouth_clips(tmp_path, 5, 2, 32)
    assert not studios[-1].asked  # what is there is kept
