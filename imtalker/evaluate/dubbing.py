"""Evaluation of dubbing: each clip with its own sound, with other clips' sounds, and against exact truth.

The protocol of IMGTalk's Table 1 dubs a clip with its own sound and compares whole frames at 256x256. That alone
would reward leaving the old mouth in. So each clip is also dubbed with another clip's sound, where what is left of the
old mouth can be seen (leak); and where a clip ``NAME.mp4`` has a counterfactual ``NAME-other.mp4`` beside it (same
head and eyes, other sentence; ``python -m tools.synthetic_people clips --set counterfactual`` makes some), it is dubbed
with that one's sound and compared with it. Two baselines stand beside: the old mouth left in, and one frozen shut; and
what the audio-driven mode makes of the clip's first frame and the same sound.
"""

import logging
import math
import time
from copy import copy
from dataclasses import dataclass, field
from itertools import islice
from pathlib import Path
from typing import NamedTuple

import cv2
import numpy as np
import torch
from torch import Tensor

from imtalker.config import FRAME_RATE, SAMPLE_RATE
from imtalker.dubbing.dub import dub
from imtalker.dubbing.engine import MouthEngine, Patch
from imtalker.dubbing.engines import engine_name, make_engine
from imtalker.dubbing.lips import onto_clip
from imtalker.dubbing.mouth_space import lip_gap, mouth_space
from imtalker.dubbing.options import DubOptions
from imtalker.dubbing.references import References
from imtalker.dubbing.registration import cut_square, pixels_per_cm, square_to_image
from imtalker.dubbing.tracking import FaceTrack
from imtalker.errors import InputError
from imtalker.evaluate.av_offset import shift_sound
from imtalker.evaluate.clip_measures import ClipMeasures, measure_clip
from imtalker.evaluate.dataset import Clip, Dataset
from imtalker.evaluate.dub_metrics import detail, gradient, leak, outside_difference, paired_leak, patch_masks, unrest
from imtalker.evaluate.dub_report import COLUMNS, DubReport, Rows
from imtalker.evaluate.face_metrics import csim, finite_mean, lip_distance
from imtalker.evaluate.image_metrics import frames_to_tensor, psnr, ssim
from imtalker.evaluate.phonemes import recognise_phonemes
from imtalker.evaluate.recording_offset import recording_offset
from imtalker.evaluate.scoring import speech_scores
from imtalker.media.audio import load_waveform
from imtalker.media.video import native_rate, read_frames
from imtalker.pipeline.talking_head import TalkingHeadPipeline
from imtalker.pipeline.workers import Workers

logger = logging.getLogger(__name__)

OTHER = "-other"  # ending of a counterfactual's name
SQUARE = 256  # pixels, of the registered pictures that patches are compared in
HIGHEST_PSNR = 60.0  # dB, of equal pictures


@dataclass
class _Watched:
    """A ``MouthEngine`` round another one that remembers what was asked and where it drew; or draws what was there. For
    one call at a time, in the order of the frames.

    ``kind``: "dubbed" draws what is asked; "frozen shut" the neutral frame's lips; "old mouth" nothing. ``track`` gives
    the motion frame by frame instead of the generator's.
    """

    engine: MouthEngine
    kind: str = "dubbed"
    track: np.ndarray | None = None
    asked: list[Tensor] = field(default_factory=list)
    landmarks: list[FaceTrack] = field(default_factory=list)
    lower: list[np.ndarray] = field(default_factory=list)

    def draw(
        self, frames: list[np.ndarray], landmarks: FaceTrack, motion: Tensor, references: References
    ) -> list[Patch]:
        done = sum(len(part) for part in self.landmarks)
        own = torch.from_numpy(landmarks.motion)
        if self.track is not None:
            given = torch.from_numpy(self.track[done : done + len(frames)])
            motion = onto_clip(torch.cat([given, own[len(given) :]]), own)
        if self.kind == "frozen shut":
            motion = onto_clip(torch.from_numpy(references.motion).expand(len(own), -1), own)
        self.asked.append(motion)
        self.landmarks.append(landmarks)
        patches = self.engine.draw(frames, landmarks, motion, references)
        self.lower += [patch.lower for patch in patches]
        return patches


@dataclass(frozen=True)
class _Result:
    """A dubbed clip in memory, cut to ``max_seconds``: an evaluation looks at it more than once."""

    frames: np.ndarray  # (T, H, W, 3)
    watched: _Watched
    fps: float

    @property
    def drawn(self) -> list[tuple[int, FaceTrack, np.ndarray]]:
        """(frame, its landmarks, lower face as drawn), where every frame was drawn; else empty."""
        rows = [(part, i) for part in self.watched.landmarks for i in range(len(part))]
        if len(rows) != len(self.frames):
            return []
        return [(at, part.take(np.array([i])), self.watched.lower[at]) for at, (part, i) in enumerate(rows)]


class _Recording(NamedTuple):
    """A clip as it is, its first ``max_seconds``."""

    clip: Clip
    fps: float
    measures: ClipMeasures
    sound: np.ndarray  # (N,) at 16 kHz, in step with its picture

    @classmethod
    def of(cls, clip: Clip, seconds: float) -> "_Recording":
        """Read and measure."""
        fps = float(native_rate(clip.path))
        measures = measure_clip(_frames(clip.path, fps, seconds), fps)
        sound = _sound(clip.path, seconds, recording_offset(clip, measures, fps).seconds)
        return cls(clip, fps, measures, sound)


@dataclass(frozen=True, eq=False)
class _Truth:
    """What a perfect dubbing of a clip would show: its counterfactual."""

    path: Path
    frames: np.ndarray  # (T, H, W, 3)
    measures: ClipMeasures


def evaluate_dubbing(
    pipeline: TalkingHeadPipeline,
    dataset: Dataset,
    max_seconds: float = 60.0,
    progress=logger.info,
    engine: str | None = None,
    sounds: int = 1,
) -> DubReport:
    """Dub and measure every clip of a data set that has sound; counterfactuals serve as truth only.

    Args:
        engine: name of what draws the mouths; None: the default, see ``engine_name``.
        sounds: of how many other clips each says the words, the next ones first; what a few seconds tell of leak and
            lip correlation is mostly chance.

    Raises:
        InputError: no clip can be dubbed, or fewer than one sound is asked for.
    """
    if sounds < 1:
        raise InputError(f"{sounds} other sounds cannot be dubbed; give 1 or more")
    start = time.perf_counter()
    drawing = make_engine(pipeline, engine_name(pipeline, engine))
    clips = [clip for clip in dataset.clips if not clip.name.endswith(OTHER)]
    values: dict[str, list[Rows]] = {}
    skipped = [f"{skip.name}: {skip.reason}" for skip in dataset.skipped]
    recordings: list[_Recording] = []
    for clip in clips:
        progress(f"measuring {clip.name}")
        try:
            recordings.append(_Recording.of(clip, max_seconds))
        except InputError as error:
            skipped.append(f"{clip.name}: {error}")
    for at, recording in enumerate(recordings):
        name = recording.clip.name
        others = [*recordings[at + 1 :], *recordings[:at]] or recordings  # a clip alone says its own words
        progress(f"dubbing {name}")
        try:
            new_sounds = [other.sound for other in others[:sounds]]
            values[name] = _evaluate_clip(pipeline, drawing, recording, new_sounds, max_seconds)
        except InputError as error:
            skipped.append(f"{name}: {error}")
    if not values:
        raise InputError(f"no clip of {dataset.name} can be dubbed: {'; '.join(skipped) or 'add clips with sound'}")
    return DubReport(dataset.name, values, tuple(skipped), time.perf_counter() - start)


def _evaluate_clip(
    pipeline: TalkingHeadPipeline,
    engine: MouthEngine,
    recording: _Recording,
    new_sounds: list[np.ndarray],
    seconds: float,
) -> list[Rows]:
    """With each new sound, or that of its counterfactual, where it has one; with its own sound in the first."""
    clip, fps, recorded, own_sound = recording
    frames = _frames(clip.path, fps, seconds)
    length = min(seconds, len(frames) / fps)
    counterfactual = clip.path.with_name(f"{clip.path.stem}{OTHER}{clip.path.suffix}")
    truth = None
    if counterfactual.is_file():
        new_sounds = [_sound(counterfactual, length)]
        true_frames = _frames(counterfactual, fps, len(frames) / fps)
        truth = _Truth(counterfactual, true_frames, measure_clip(true_frames, fps, identity_every=0))
    cut = int(length * SAMPLE_RATE)
    rows = [_with_other_sound(pipeline, engine, recording, frames, new_sound[:cut], truth) for new_sound in new_sounds]
    for kind in ("dubbed", "frozen shut"):
        result = _dubbed(pipeline, clip.path, own_sound[:cut], _Watched(engine, kind))
        rows[0][kind] |= _against(result, frames, recorded, "self")
    rows[0]["dubbed"]["frames_per_second"] = _speed(pipeline, clip.path, own_sound[:cut], engine)
    return rows


def _with_other_sound(
    pipeline: TalkingHeadPipeline,
    engine: MouthEngine,
    recording: _Recording,
    frames: np.ndarray,
    new_sound: np.ndarray,
    truth: _Truth | None,
) -> Rows:
    """A clip and its baselines, with words that are not its own."""
    clip, fps, recorded, _ = recording
    rows: Rows = {kind: {} for kind in COLUMNS}
    cues = recognise_phonemes(new_sound)
    for kind in ("dubbed", "frozen shut"):
        result = _dubbed(pipeline, clip.path, new_sound, _Watched(engine, kind))
        measures = measure_clip(result.frames, fps)
        rows[kind] |= speech_scores(measures, cues)
        rows[kind] |= _patch_scores(result, frames, frames if truth is None else truth.frames)
        asked = lip_gap(_asked(result)).numpy()
        count = min(len(asked), recorded.num_frames, measures.num_frames)
        new, old = (clip.readings["mouth_opening"][:count] for clip in (measures, recorded))
        rows[kind]["leak"] = leak(new, old, asked[:count], fps) if kind == "dubbed" else math.nan
        rows[kind]["identity"] = _identity(measures, recorded)
        if truth is not None:
            rows[kind] |= _against_truth(result, measures, truth, "truth")
        if truth is not None and kind == "dubbed":
            twin = _dubbed(pipeline, truth.path, new_sound, _Watched(engine, track=_asked(result).numpy()))
            rows[kind] |= _twin_leak(result, twin, (new, old), truth)
            rows[kind] |= _with_true_motion(pipeline, clip, new_sound, engine, twin, truth)
    rows["old mouth"] |= speech_scores(recorded, cues)
    rows["audio mode"] |= speech_scores(_spoken_by_portrait(pipeline, frames[0], new_sound), cues)
    spoken, dubbed = (rows[kind]["lip_correlation"] for kind in ("audio mode", "dubbed"))
    rows["dubbed"]["correlation_gain"] = dubbed - spoken
    if truth is not None:
        as_it_is = _Result(frames, result.watched, fps)
        rows["old mouth"] |= _against_truth(as_it_is, recorded, truth, "truth")
    return rows


def _frames(path: Path, fps: float, seconds: float) -> np.ndarray:
    return np.stack(list(islice(read_frames(path, fps), max(3, round(seconds * fps)))))


def _spoken_by_portrait(pipeline: TalkingHeadPipeline, frame: np.ndarray, sound: np.ndarray) -> ClipMeasures:
    """What the audio-driven mode shows when a frame is the portrait."""
    spoken = pipeline.animate_from_audio(frame, sound)
    return measure_clip(np.stack(list(spoken.frames())), FRAME_RATE, identity_every=0)


def _sound(path: Path, seconds: float, delay: float = 0.0) -> np.ndarray:
    """The first seconds of a clip's sound, once it has been delayed."""
    return shift_sound(load_waveform(path), delay)[: int(seconds * SAMPLE_RATE)]


def _dubbed(pipeline: TalkingHeadPipeline, clip: Path, sound: np.ndarray, watched: _Watched) -> _Result:
    in_order = copy(pipeline)
    in_order.workers = Workers(1)
    run = dub(in_order, clip, sound, DubOptions(face=0), engine=watched)
    frames = np.stack(list(run.frames()))
    return _Result(frames, watched, float(native_rate(clip)))


def _speed(pipeline: TalkingHeadPipeline, clip: Path, sound: np.ndarray, engine: MouthEngine) -> float:
    """Frames a second, all included, of a dubbing that nobody watches."""
    run = dub(pipeline, clip, sound, DubOptions(face=0), engine=engine)
    for _ in run:
        pass
    return run.timings.fps


def _asked(result: _Result) -> Tensor:
    """Motion (T, 32) that the engine was asked for."""
    return torch.cat(result.watched.asked)


def _twin_leak(
    result: _Result, twin: _Result, openings: tuple[np.ndarray, np.ndarray], truth: _Truth
) -> dict[str, float]:
    """``paired_leak``, the other clip being the counterfactual, dubbed to do the same as the clip.

    Args:
        openings: of the clip's mouth, dubbed and old.
    """
    measured = measure_clip(twin.frames, twin.fps, identity_every=0), truth.measures
    others = [measures.readings["mouth_opening"] for measures in measured]
    asked = lip_gap(_asked(result)).numpy()
    count = min(len(asked), len(openings[0]), len(others[0]), len(others[1]))
    dubbed, old = (np.stack([mine[:count], other[:count]]) for mine, other in zip(openings, others, strict=True))
    return {"paired_leak": paired_leak(dubbed, old, asked[:count])}


def _with_true_motion(
    pipeline: TalkingHeadPipeline, clip: Clip, sound: np.ndarray, engine: MouthEngine, twin: _Result, truth: _Truth
) -> dict[str, float]:
    """As against the truth, but with the lips read from it: what drawing alone costs."""
    motion = np.concatenate([part.motion for part in twin.watched.landmarks])
    if len(motion) != len(twin.frames):
        return {}
    result = _dubbed(pipeline, clip.path, sound, _Watched(engine, track=motion))
    return _against_truth(result, measure_clip(result.frames, result.fps, identity_every=0), truth, "motion")


def _against(result: _Result, frames: np.ndarray, recorded: ClipMeasures, prefix: str) -> dict[str, float]:
    """Whole frames at 256x256, and the lips, against the recorded clip."""
    count = min(len(result.frames), len(frames))
    got, wanted = (frames_to_tensor(clip[:count]) for clip in (result.frames, frames))
    measures = measure_clip(result.frames[:count], result.fps, identity_every=0)
    return {
        f"{prefix}_psnr": float(np.minimum(psnr(got, wanted), HIGHEST_PSNR).mean()),
        f"{prefix}_ssim": float(ssim(got, wanted).mean()),
        f"{prefix}_lmd": _lips_apart(measures, recorded),
    }


def _against_truth(result: _Result, measures: ClipMeasures, truth: _Truth, prefix: str) -> dict[str, float]:
    """The registered mouth patch, and the lips, against the counterfactual.

    Args:
        measures: of the result.
    """
    drawn = result.drawn
    count = min(len(truth.frames), len(result.frames), len(drawn))
    if not count:
        return {}
    places = [row.to_image[0] for _, row, _ in drawn[:count]]
    half = slice(SQUARE // 2, SQUARE), slice(SQUARE // 4, 3 * SQUARE // 4)
    got, wanted = (
        np.stack([cut_square(frame, place, SQUARE)[half] for frame, place in zip(clip, places, strict=False)])
        for clip in (result.frames[:count], truth.frames[:count])
    )
    got, wanted = (torch.from_numpy(clip).permute(0, 3, 1, 2).float() / 255 for clip in (got, wanted))
    return {
        f"{prefix}_psnr": float(np.minimum(psnr(got, wanted), HIGHEST_PSNR).mean()),
        f"{prefix}_ssim": float(ssim(got, wanted).mean()),
        f"{prefix}_lmd": _lips_apart(measures, truth.measures),
    }


def _lips_apart(result: ClipMeasures, target: ClipMeasures) -> float:
    pairs = zip(result.head_frames(), target.head_frames(), strict=False)
    return finite_mean(np.array([lip_distance(a, b) for a, b in pairs if a is not None and b is not None]))


def _identity(result: ClipMeasures, recorded: ClipMeasures) -> float:
    count = min(len(result.embeddings), len(recorded.embeddings))
    return finite_mean(csim(result.embeddings[:count], recorded.embeddings[:count])) if count else math.nan


def _patch_scores(result: _Result, frames: np.ndarray, truth: np.ndarray) -> dict[str, float]:
    """Rim, calm and sharpness of the patch against the same places of the original, or of what says the same words."""
    scores: dict[str, list[float]] = {"outside": [], "seam": [], "sharpness": [], "mouth_sharpness": []}
    squares: tuple[list, list, list] = ([], [], [])
    for at, row, lower in result.drawn[: min(len(frames), len(truth))]:
        place, old = row.to_image[0], row.lower[0]
        scale = pixels_per_cm(place)
        new_frame, old_frame, true_frame = result.frames[at], frames[at], truth[at]
        mask, rim = patch_masks(np.concatenate([old, lower]), old_frame.shape[:2], scale)
        mouth = _mouth(np.concatenate([old, lower]), old_frame.shape[:2], scale)
        skin = (mask > 0.5) & ~mouth
        scores["outside"].append(outside_difference(new_frame, old_frame, mask))
        scores["seam"].append(gradient(new_frame, rim) / gradient(old_frame, rim))
        scores["sharpness"].append(detail(new_frame, skin) / detail(old_frame, skin))
        scores["mouth_sharpness"].append(detail(new_frame, mouth) / detail(true_frame, mouth))
        squares[0].append(cut_square(new_frame, place, SQUARE))
        squares[1].append(cut_square(old_frame, place, SQUARE))
        flags = cv2.WARP_INVERSE_MAP | cv2.INTER_NEAREST
        squares[2].append(
            cv2.warpAffine(skin.astype(np.uint8), square_to_image(place, SQUARE), (SQUARE, SQUARE), flags=flags) > 0
        )
    if not squares[0]:
        return {}
    new, old, where = (np.stack(stack) for stack in squares)
    return {
        "outside": max(scores["outside"]),
        **{key: finite_mean(np.array(scores[key])) for key in ("seam", "sharpness", "mouth_sharpness")},
        "flicker": unrest(new, where) / unrest(old, where),
    }


def _mouth(points: np.ndarray, size: tuple[int, int], scale: float) -> np.ndarray:
    """Pixels of the lips, old and new, with a margin: bool (H, W)."""
    count = len(mouth_space().landmarks)
    lips = np.concatenate([points[start + 24 : start + count] for start in range(0, len(points), count)])
    area = np.zeros(size, np.uint8)
    cv2.fillConvexPoly(area, cv2.convexHull(np.rint(lips).astype(np.int32)), 1)
    reach = 2 * max(1, round(0.5 * scale)) + 1
    return cv2.dilate(area, np.ones((reach, reach), np.uint8)) > 0
