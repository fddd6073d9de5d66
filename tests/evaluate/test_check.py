"""The check of a finished video finds what was spoiled, on drawn faces whose mouths follow the sound's loudness."""

import json
from types import SimpleNamespace

import numpy as np
import pytest

from imtalker.cli import run_command
from imtalker.config import FRAME_RATE, SAMPLE_RATE
from imtalker.errors import InputError, WeightsError
from imtalker.evaluate.check import CheckReport, check_video
from imtalker.evaluate.clip_measures import ClipMeter, measure_clip
from imtalker.evaluate.dataset import BUNDLED_FOLDER
from imtalker.evaluate.findings import asked_findings, freeze_finding, identity_finding, lip_findings
from imtalker.evaluate.phonemes import PhonemeTrack, recognise_phonemes
from imtalker.media.audio import load_waveform
from imtalker.media.video import read_frames
from imtalker.media.video_writer import VideoWriter
from tests.support.drawn_face import DrawnFace, draw_face
from tests.support.sample_media import write_wav

SECONDS = 5
SIZE = 192


def loudness_as_phonemes(waveform: np.ndarray) -> PhonemeTrack:
    """Stands in for the recogniser: the sound's loudness is the mouth's opening, its gaps are closures."""
    blocks = waveform[: len(waveform) // 320 * 320].reshape(-1, 320)
    openness = np.convolve(np.abs(blocks).mean(1), np.ones(3) / 3, "same")
    openness = np.clip(openness / (openness.max() + 1e-9), 0, 1)
    quiet = openness < 0.1
    starts = np.flatnonzero(quiet & ~np.roll(quiet, 1))
    return PhonemeTrack(openness, (starts + 2.5) / 50)


@pytest.fixture(autouse=True)
def recogniser(monkeypatch):
    monkeypatch.setattr("imtalker.evaluate.check.recognise_phonemes", loudness_as_phonemes)


@pytest.fixture(scope="module")
def speech() -> tuple[np.ndarray, np.ndarray]:
    """A sound of random syllables with eight short gaps, and its loudness at 25 frames per second."""
    rng = np.random.default_rng(4)
    loudness = np.convolve(0.3 + 0.7 * rng.random(SECONDS * 50 + 8), np.hanning(9) / 4, "valid")[: SECONDS * 50]
    for gap in range(20, SECONDS * 50 - 20, 29):
        loudness[gap : gap + 6] = 0
    noise = rng.normal(size=SECONDS * SAMPLE_RATE) * 0.2
    return (noise * np.repeat(loudness, 320)).astype(np.float32), loudness.reshape(-1, 2).mean(1)


@pytest.fixture(scope="module")
def frames(speech) -> np.ndarray:
    _, loudness = speech
    faces = (
        DrawnFace(gap=12 * value - 2, shift=4 * np.sin(index / 9), angle=3 * np.sin(index / 13))
        for index, value in enumerate(loudness)
    )
    return np.stack([draw_face(face, SIZE) for face in faces])


@pytest.fixture(scope="module")
def write(tmp_path_factory, speech):
    folder = tmp_path_factory.mktemp("videos")

    def save(name: str, frames: np.ndarray, sound: np.ndarray | None = None, **more):
        path = folder / name
        with VideoWriter(
            path, frames.shape[1:3], FRAME_RATE, (SAMPLE_RATE, speech[0] if sound is None else sound), **more
        ) as w:
            w.write(frames)
        return path

    return save


def verdicts(report: CheckReport) -> dict[str, bool | None]:
    return {finding.name: finding.ok for finding in report.findings}


def values(report: CheckReport) -> dict[str, float | None]:
    return {finding.name: finding.value for finding in report.findings}


def test_a_good_video_is_in_order(write, frames, tmp_path):
    recipe = {"controls": {"roll": 0.0}}
    report = check_video(write("good.mp4", frames, recipe=recipe))
    assert report.ok, str(report)
    assert abs(values(report)["lip_offset"] or 999) < 45
    assert verdicts(report)["closure_rate"] and values(report)["identity"] > 0.8
    assert verdicts(report)["asked_roll"]
    assert values(report)["freeze"] == 0 and abs(values(report)["duration"]) < 100
    assert "in order" in str(report) and json.dumps(report.as_dict(), allow_nan=False)


def test_shifted_sound_is_caught(write, frames, speech):
    """Sound that is late; that it may come early too is seen with a rendered person below."""
    shift = 0.2
    report = check_video(write(f"shift{shift}.mp4", frames, np.roll(speech[0], round(shift * SAMPLE_RATE))))
    assert not report.ok and verdicts(report)["lip_offset"] is False
    assert values(report)["lip_offset"] == pytest.approx(-1000 * shift, abs=45)


def test_frozen_frames_are_caught(write, frames):
    frozen = frames[:75].copy()
    frozen[40:65] = frozen[40]
    report = check_video(write("frozen.mp4", frozen))
    assert verdicts(report)["freeze"] is False
    assert values(report)["freeze"] == pytest.approx(0.96, abs=0.1)
    assert "from 1.6 s on" in str(report)


def test_missing_sound_wrong_length_and_no_face(write, frames, speech, tmp_path):
    wall = np.full((30, 64, 64, 3), 90, np.uint8)
    report = check_video(write("wall.mp4", wall, np.zeros(16_000 * 3, np.float32)))
    assert verdicts(report)["face"] is False and verdicts(report)["lip_offset"] is None
    assert values(report)["face"] == 0
    sound = write_wav(tmp_path / "long.wav", np.tile(speech[0], 2)[:, None])
    report = check_video(write("short.mp4", wall, speech[0]), audio=sound)
    assert verdicts(report)["duration"] is False and "shorter than the sound" in str(report)


def test_a_rendered_person_is_in_order_and_is_not_somebody_else(monkeypatch):
    """The bundled clips with the real recogniser."""
    pytest.importorskip("hama")
    monkeypatch.setattr("imtalker.evaluate.check.recognise_phonemes", recognise_phonemes)
    clip = BUNDLED_FOLDER / "talk_woman.mp4"
    own, other = (next(read_frames(BUNDLED_FOLDER / f"{name}.mp4")) for name in ("talk_woman", "lively"))
    report = check_video(clip, portrait=own)
    assert report.ok, str(report)
    assert abs(values(report)["lip_offset"] or 999) < 60
    report = check_video(clip, portrait=other)
    assert [finding.name for finding in report.findings if finding.ok is False] == ["identity"]


def test_spoiled_rendered_people_are_caught():
    pytest.importorskip("hama")
    clip = BUNDLED_FOLDER / "talk_man.mp4"
    frames, waveform = list(read_frames(clip)), load_waveform(clip)
    measures = measure_clip(frames, FRAME_RATE, identity_every=0)
    for shift in (-0.2, 0.0, 0.2):
        moved = np.roll(waveform, round(shift * SAMPLE_RATE))
        offset, closure = lip_findings(measures, recognise_phonemes(moved))
        assert offset.value == pytest.approx(-1000 * shift, abs=50)
        assert offset.ok is (shift == 0.0)
        if shift == 0.0:
            assert closure.ok
    assert freeze_finding(measures).ok
    frozen = frames[:20] + [frames[20]] * 15 + frames[35:45]
    found = freeze_finding(measure_clip(frozen, FRAME_RATE, face_every=100, identity_every=0))
    assert found.ok is False and found.value == pytest.approx(14 / 25, abs=0.05)


def test_the_recogniser_may_be_missing(write, frames, monkeypatch):
    def refuse(waveform):
        raise WeightsError("phonemes need the package 'hama'")

    monkeypatch.setattr("imtalker.evaluate.check.recognise_phonemes", refuse)
    report = check_video(write("few.mp4", frames[:30]))
    finding = next(finding for finding in report.findings if finding.name == "lip_offset")
    assert finding.ok is None and "hama" in finding.verdict


@pytest.mark.parametrize(("seconds", "verdict"), [(3, None), (12, False)])
def test_lips_beside_a_foreign_sound_are_never_said_to_fit(seconds, verdict):
    """An offset that chance would reach is not claimed: no false shift, and no false praise."""
    rng = np.random.default_rng(1)
    blamed = 0
    for _ in range(20):
        opening, openness = (
            np.convolve(rng.random(n + 8), np.hanning(9), "valid") for n in (25 * seconds, 50 * seconds)
        )
        measures = SimpleNamespace(readings={"mouth_opening": opening}, fps=25.0)
        offset, _ = lip_findings(measures, PhonemeTrack(openness / openness.max(), np.zeros(0)))
        assert offset.ok is not True
        blamed += offset.ok is False
    assert blamed >= 10 if verdict is False else blamed <= 2


def test_identity_verdicts():
    assert identity_finding(0.9, True).ok and identity_finding(0.8, True).ok
    weak = identity_finding(0.65, True)
    assert weak.ok is False and "too weak" in weak.verdict
    other = identity_finding(0.3, True)
    assert other.ok is False and "Not the person" in other.verdict
    assert identity_finding(float("nan"), False).ok is None


def test_asked_angles_are_compared_with_measured_ones(frames):
    meter = ClipMeter(25, identity_every=0)
    for _ in range(4):
        meter.add(draw_face(DrawnFace(angle=10), SIZE))
    measures = meter.result()
    asked = {"roll": 10.0, "yaw": 25.0, "pitch": None, "gaze_x": {"frames": 30, "mean": 0.0}, "expressiveness": 1.0}
    found = {finding.name: finding for finding in asked_findings(measures, asked)}
    assert found["asked_roll"].ok and found["asked_roll"].value == pytest.approx(10, abs=2)
    assert found["asked_yaw"].ok is False and "not reached" in found["asked_yaw"].verdict
    assert set(found) == {"asked_roll", "asked_yaw", "asked_gaze_x"}


def test_command_says_it_in_words_and_numbers(write, frames, tmp_path, capsys):
    video = str(write("command.mp4", frames[:40]))
    recipe = tmp_path / "recipe.json"
    recipe.write_text('{"controls": {"yaw": 60}}')
    assert run_command(["check", video, "--recipe", str(recipe)]) == 1
    assert "BAD head left-right" in capsys.readouterr().out
    run_command(["check", video, "--json"])
    assert json.loads(capsys.readouterr().out)["video"] == "command.mp4"
    recipe.write_text("[1]")
    with pytest.raises(InputError, match="not a JSON object"):
        run_command(["check", video, "--recipe", str(recipe)])
    with pytest.raises(InputError):
        run_command(["check", str(tmp_path / "missing.mp4")])
    picture = np.full((64, 64, 3), 128, np.uint8)
    with pytest.raises(InputError, match="no face"):
        check_video(video, portrait=picture)
