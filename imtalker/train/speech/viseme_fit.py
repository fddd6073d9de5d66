"""What lips of real speakers do in each viseme: opening and width, by least squares over clips with sound.

``VISEME_TARGETS`` were set by this table. Opening and width are read from the landmarks, in millimetres of the average
face; each is modelled as the person's own constant and what the visemes add, weighed by their dominance
(:func:`imtalker.train.speech.visemes.dominances`). Where lips must meet, frames are left out.
"""

import argparse
import logging
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from imtalker.config import FRAME_RATE, SAMPLE_RATE
from imtalker.errors import InputError
from imtalker.faces.mesh import LIP_INNER_LOWER, LIP_INNER_UPPER, MOUTH_CORNERS
from imtalker.faces.motion_reading import SQUARE
from imtalker.media.audio import load_waveform
from imtalker.media.crop import crop_and_resize
from imtalker.media.video import read_frames
from imtalker.pipeline.landmark_motion import read_clip
from imtalker.pipeline.talking_head import TalkingHeadPipeline, load_pipeline
from imtalker.pipeline.timing import Timings
from imtalker.train.options import configure_logging
from imtalker.train.puppet.controls import MOUTH_NAMES, VISEME_TARGETS
from imtalker.train.puppet.motion_space import EXPRESSION, MotionSpace
from imtalker.train.speech.alignment import align
from imtalker.train.speech.phonemes import Segment
from imtalker.train.speech.visemes import LIP_CLOSING, LIP_TEETH, dominances, pulse
from imtalker.train.speech.voices import pronounce
from imtalker.train.transcription import Transcriber
from imtalker.weights.load import bundled_basis

logger = logging.getLogger(__name__)

NAMES = tuple(VISEME_TARGETS)
MAX_SHIFT = 8  # frames by which picture and sound of a published clip may differ
PIECE_SECONDS = (8, 14)  # a longer sound is cut where it is quietest between these, to be aligned
RIDGE = 20.0  # frames that a viseme's present target counts for


@dataclass(frozen=True, eq=False)
class SpokenClip:
    """A clip's lips and what is said."""

    lips: np.ndarray  # (T, 2) opening and width of the lips, mm; NaN without a face
    segments: tuple[Segment, ...]


def lips_of(faces: np.ndarray) -> np.ndarray:
    """(T, 2) opening and width in mm of faces (T, 468, 3) in cm."""
    upper, lower = faces[:, LIP_INNER_UPPER[4:7], 1], faces[:, LIP_INNER_LOWER[4:7], 1]
    left, right = (faces[:, corner] for corner in MOUTH_CORNERS)
    return 10 * np.stack([(upper - lower).mean(1), np.linalg.norm(right - left, axis=1)], 1)


def present_targets() -> np.ndarray:
    """(visemes, 2) opening and width that ``VISEME_TARGETS`` add to the mouth at rest, mm."""
    space, basis = MotionSpace.load(), bundled_basis()
    columns = np.array(list(VISEME_TARGETS.values())).T
    motion = space.encode(dict(zip(MOUTH_NAMES, columns, strict=True)))
    faces = (motion[:, EXPRESSION] @ basis.components).reshape(len(motion), -1, 3) + basis.face
    return lips_of(faces) - lips_of(basis.face[None])


def fit_visemes(clips: Sequence[SpokenClip], prior: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Least squares over all clips, each at the shift of its sound that explains its opening best.

    Args:
        prior: (visemes, 2) mm, where a viseme that hardly occurs stays.

    Returns
    -------
    (visemes, 2) mm added to a person's own opening and width; (clips, 2) these own ones; (visemes,) frames of each.
    """
    rows = [_rows(clip, prior) for clip in clips]
    weights = np.concatenate([w for w, _ in rows])
    person = np.repeat(np.eye(len(clips)), [len(w) for w, _ in rows], axis=0)
    both = np.concatenate([weights, person], 1)
    ridge = np.diag([RIDGE] * len(prior) + [1e-3] * len(clips))
    missing = np.concatenate([lips for _, lips in rows]) - weights @ prior
    change = np.linalg.solve(both.T @ both + ridge, both.T @ missing)
    return prior + change[: len(prior)], change[len(prior) :], weights.sum(0)


def _rows(clip: SpokenClip, prior: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Dominances (n, visemes) and lips (n, 2) of the frames that count, at the best shift."""
    found: list[tuple[float, np.ndarray, np.ndarray]] = []
    for shift in range(-MAX_SHIFT, MAX_SHIFT + 1):
        time = (np.arange(len(clip.lips)) + 0.5 - shift) / FRAME_RATE
        weights = dominances(clip.segments, time, NAMES)
        closed = np.maximum(pulse(clip.segments, LIP_CLOSING, time), pulse(clip.segments, LIP_TEETH, time))
        spoken = np.isfinite(clip.lips[:, 0]) & (time > 0) & (time < clip.segments[-1].end)
        opening = (1 - closed) * (weights @ prior[:, 0])
        score = np.corrcoef(opening[spoken], clip.lips[spoken, 0])[0, 1]
        keep = spoken & (closed < 0.05)
        found.append((float(score), weights[keep], clip.lips[keep]))
    return max(found, key=lambda item: item[0])[1:]


def read_spoken_clip(path: Path, pipeline: TalkingHeadPipeline, transcribe: Transcriber) -> SpokenClip:
    """Track the lips of a clip and align what Whisper hears in it.

    Raises
    ------
    InputError: no face, no sound, or nothing that can be aligned.
    """
    driver, basis = pipeline.encode_driver(path, crop="auto"), bundled_basis()
    squares = (crop_and_resize(frame, driver.box, SQUARE) for frame in read_frames(path))
    lost = np.full((len(basis.face), 3), np.nan)
    faces = np.stack([lost if head is None else head.face for head, _ in read_clip(squares, basis, None, Timings())])
    clip = clip_of(lips_of(faces), load_waveform(path), lambda start, sound: _aligned(start, sound, transcribe))
    if not clip.segments:
        raise InputError(f"nothing spoken in {path.name} could be aligned; leave it out")
    return clip


def clip_of(lips: np.ndarray, waveform: np.ndarray, hear: Callable[[float, np.ndarray], list[Segment]]) -> SpokenClip:
    """Lips (T, 2) and what ``hear`` finds from the start (s) of each piece of ``waveform`` (N,).

    Where it finds nothing, nobody knows what the lips did: that is no silence, so they do not count there.
    """
    lips, segments = lips.copy(), []
    for start, sound in _pieces(waveform):
        heard = hear(start, sound)
        segments += heard
        if not heard:
            first, last = (round(t * FRAME_RATE) for t in (start, start + len(sound) / SAMPLE_RATE))
            lips[first:last] = np.nan
    return SpokenClip(lips, tuple(segments))


def _aligned(start: float, sound: np.ndarray, transcribe: Transcriber) -> list[Segment]:
    text = transcribe(sound)
    try:
        found = align(sound, text, pronounce) if text.strip() else []
    except InputError as error:
        logger.warning("left out %.1f s: %s", start, error)
        found = []
    return [Segment(s.phoneme, s.start + start, s.end + start) for s in found]


def _pieces(waveform: np.ndarray) -> Iterator[tuple[float, np.ndarray]]:
    low, high = (seconds * SAMPLE_RATE for seconds in PIECE_SECONDS)
    start = 0
    while start < len(waveform):
        end = len(waveform)
        if end - start > high:
            energy = np.convolve(waveform[start + low : start + high] ** 2, np.ones(SAMPLE_RATE // 10), "same")
            end = start + low + int(energy.argmin())
        yield start / SAMPLE_RATE, waveform[start:end]
        start = end


def main(argv: list[str] | None = None) -> None:
    """Log what each viseme does now, and what it does in clips."""
    parser = argparse.ArgumentParser(description=main.__doc__)
    parser.add_argument("clips", type=Path, nargs="+", help="videos of one speaking person each")
    parser.add_argument("--model", type=Path, required=True, help="folder of a CTranslate2 Whisper model")
    options = parser.parse_args(argv)
    configure_logging()
    pipeline, transcribe, prior = load_pipeline("tiny", "cpu"), Transcriber(options.model), present_targets()
    clips = [read_spoken_clip(path, pipeline, transcribe) for path in options.clips]
    fitted, own, frames = fit_visemes(clips, prior)
    for path, (opening, width) in zip(options.clips, own, strict=True):
        logger.info("%s: own opening %.1f mm, width %.1f mm", path.name, opening, width)
    for name, count, now, there in zip(NAMES, frames, prior, fitted, strict=True):
        table = "%-5s %5.0f frames: opening %5.1f mm, there %5.1f; width %5.1f, there %5.1f"
        logger.info(table, name, count, now[0], there[0], now[1], there[1])


if __name__ == "__main__":
    main()
