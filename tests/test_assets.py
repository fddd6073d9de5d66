"""The bundled samples are what the demo, the README and the evaluation expect."""

import json
import wave
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from imtalker.media.video import probe_video, read_frames

ROOT = Path(__file__).resolve().parents[1]
ASSETS = ROOT / "assets"
PORTRAITS = sorted((ASSETS / "portraits").glob("*.jpg"))
SPEECH = sorted((ASSETS / "speech").glob("*.wav"))
CLIPS = sorted([*(ASSETS / "driving").glob("*.mp4"), *(ROOT / "imtalker/evaluate/data").glob("*.mp4")])


def test_there_are_enough_samples() -> None:
    assert len(PORTRAITS) >= 8
    assert len(SPEECH) >= 4
    assert len(CLIPS) >= 4
    notes = (ASSETS / "README.md").read_text(encoding="utf-8")
    for path in (*PORTRAITS, *SPEECH, *CLIPS):
        assert path.stem in notes, f"assets/README.md does not say how {path.name} was made"


@pytest.mark.parametrize("path", PORTRAITS, ids=lambda p: p.stem)
def test_a_portrait_opens(path: Path) -> None:
    with Image.open(path) as image:
        image.load()
        assert image.mode == "RGB"
        assert min(image.size) >= 512
    assert path.stat().st_size < 150_000


@pytest.mark.parametrize("path", SPEECH, ids=lambda p: p.stem)
def test_speech_is_short_clean_and_loud_enough(path: Path) -> None:
    with wave.open(str(path)) as file:
        rate, channels, width = file.getframerate(), file.getnchannels(), file.getsampwidth()
        sound = np.frombuffer(file.readframes(file.getnframes()), np.int16) / 32768
    assert (rate, channels, width) == (24_000, 1, 2)
    assert 3 <= len(sound) / rate <= 12
    assert 0.02 < np.sqrt((sound**2).mean()) < 0.2
    assert np.abs(sound).max() < 0.95
    assert max(abs(sound[0]), abs(sound[-1])) < 1e-3


@pytest.mark.parametrize("path", CLIPS, ids=lambda p: p.stem)
def test_a_clip_moves_sounds_and_has_its_ground_truth(path: Path) -> None:
    info = probe_video(path)
    truth = json.loads(path.with_suffix(".json").read_text(encoding="utf-8"))
    assert info.has_audio and info.codec == "h264"
    assert info.rate == pytest.approx(25)
    assert path.stat().st_size < 400_000
    frames = np.stack(list(read_frames(path)))
    assert len(frames) == truth["frames"] and 3 <= len(frames) / 25 <= 7
    assert np.abs(frames[1:].astype(np.int16) - frames[:-1]).mean() > 0.2
    for name in ("yaw", "pitch", "roll", "gx", "gy", "blink", "mouth_gap"):
        assert len(truth[name]) == len(frames)
