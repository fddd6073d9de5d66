"""The paper's three protocols (section 4): self-reenactment, cross-reenactment, audio-driven.

Faces are measured and pictures compared at 256x256, as in the paper; pictures also at 512x512.
"""

import logging
import math
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from itertools import islice

import numpy as np

from imtalker.config import FRAME_RATE, SAMPLE_RATE, SamplingOptions
from imtalker.errors import InputError
from imtalker.evaluate.av_offset import shift_sound
from imtalker.evaluate.clip_measures import ClipMeasures, ClipMeter
from imtalker.evaluate.comparison import FINE_SIZE, SIZE, Comparison
from imtalker.evaluate.dataset import MIN_FRAMES, Clip
from imtalker.evaluate.face_metrics import finite_mean
from imtalker.evaluate.metrics import Mode
from imtalker.evaluate.phonemes import PhonemeTrack, recognise_phonemes
from imtalker.evaluate.recording_offset import recording_offset
from imtalker.evaluate.reference_networks import FrechetFeatures, ReferenceNetworks
from imtalker.evaluate.scoring import (
    following_scores,
    ghost_share,
    identity_score,
    measuring_errors,
    motion_curves,
    speech_scores,
    stability_scores,
)
from imtalker.evaluate.syncnet import cut_faces
from imtalker.generator.controls import GAZE_NAMES, LIMITS, POSE_NAMES, MotionControls
from imtalker.media.audio import load_waveform
from imtalker.media.crop import CropBox, crop_and_resize
from imtalker.media.video import read_frames
from imtalker.pipeline.animation import Animation
from imtalker.pipeline.inputs import DrivingClip, Portrait
from imtalker.pipeline.talking_head import TalkingHeadPipeline

logger = logging.getLogger(__name__)

_BATCH = 16  # frames compared at a time
_NUM_SNAPSHOTS = 8  # moments of a clip that are kept for pictures
_IDENTITY_EVERY = 5  # frames


@dataclass(frozen=True)
class PreparedClip:
    """A recorded clip, cropped and measured once, however often it is used."""

    clip: Clip
    driver: DrivingClip
    box: CropBox
    first_frame: np.ndarray  # uint8 (H,W,3), the whole picture
    measures: ClipMeasures
    sound: np.ndarray | None  # (N,) at 16 kHz, in step with its picture; None where nothing is made from sound
    cues: PhonemeTrack | None  # what that sound asks of the lips
    recorded: dict[str, float]  # the scores the recording itself reaches, where they need no second clip
    measuring_errors: dict[str, float]  # errors of measuring, where the truth is known


@dataclass(frozen=True)
class Snapshot:
    """One moment of a result beside what it was made from."""

    seconds: float
    target: np.ndarray  # uint8 (256,256,3)
    result: np.ndarray


@dataclass(frozen=True)
class ClipScore:
    """The numbers of one result."""

    clip: str
    source: str  # the clip whose first frame is the portrait
    values: dict[str, float]  # by the keys of the catalogue; NaN: not known
    copied: dict[str, float]  # the same for the portrait standing still, where that has a value
    curves: dict[str, np.ndarray]  # error of each frame
    source_image: np.ndarray  # uint8 (256,256,3)
    snapshots: tuple[Snapshot, ...]
    stages: dict[str, float]  # seconds
    num_frames: int


@dataclass
class Evaluator:
    """Runs clips through a pipeline and scores what comes out."""

    pipeline: TalkingHeadPipeline
    networks: ReferenceNetworks
    crop_faces: bool = False  # cut squares round the faces; else the clips are taken for cropped already
    max_seconds: float = 60.0  # longer clips are cut
    frechet: FrechetFeatures = field(init=False)

    def __post_init__(self) -> None:
        self.frechet = FrechetFeatures(self.networks)

    def prepare(self, clip: Clip, mode: Mode) -> PreparedClip:
        """Crop and measure a recorded clip.

        Raises:
            InputError: it is too short, cannot be read, or shows no face.
            WeightsError: the phoneme recogniser is not installed (audio protocol only).
        """
        driver = self.pipeline.encode_driver(clip.path, crop="auto" if self.crop_faces else None)
        box = driver.box
        meter = ClipMeter(FRAME_RATE, identity_every=_IDENTITY_EVERY)
        first = None
        for frame in self._frames(clip):
            first = frame if first is None else first
            meter.add(crop_and_resize(frame, box, SIZE))
        measures = meter.result()
        if first is None or measures.num_frames < MIN_FRAMES:
            raise InputError(f"{clip.path.name} has {measures.num_frames} frames; at least {MIN_FRAMES} are needed")
        if measures.faces[0] is None or measures.face_rate < 0.5:
            where = "in its first frame" if measures.faces[0] is None else "in most of its frames"
            raise InputError(f"{clip.path.name} shows no face {where}; cut it, or give --crop")
        sound = cues = None
        recorded: dict[str, float] = {}
        if mode == "audio":
            offset = recording_offset(clip, measures, FRAME_RATE, lambda frame: crop_and_resize(frame, box, SIZE))
            sound = shift_sound(load_waveform(clip.path), offset.seconds)[: int(self.max_seconds * SAMPLE_RATE)]
            cues = recognise_phonemes(sound)
            recorded = {"av_offset": 1000 * offset.seconds, "av_confidence": offset.confidence}
        recorded |= stability_scores(measures) | speech_scores(measures, cues)
        recorded["csim"] = identity_score(measures, measures.embeddings[0])
        errors = measuring_errors(measures, clip.truth) if clip.truth else {}
        return PreparedClip(clip, driver, box, first, measures, sound, cues, recorded, errors)

    def score(
        self,
        mode: Mode,
        target: PreparedClip,
        source: PreparedClip,
        options: SamplingOptions | None = None,
        controls: MotionControls | None = None,
    ) -> ClipScore:
        """Make one video and measure it.

        Args:
            target: the clip that drives, or whose sound is spoken.
            source: the clip whose first frame is the portrait; the same one except in "cross".
            options, controls: of the motion generator, in "audio".
        """
        portrait = self.pipeline.encode_source(source.first_frame, crop=self._crop(source))
        animation = self._animate(mode, target, portrait, options, controls)
        squares = (crop_and_resize(frame, _whole(frame), FINE_SIZE) for frame in animation.frames())
        meter = ClipMeter(FRAME_RATE, identity_every=_IDENTITY_EVERY)
        count = min(animation.total, target.measures.num_frames)
        moments = {round(i * (count - 1) / (_NUM_SNAPSHOTS - 1)) for i in range(_NUM_SNAPSHOTS)}
        snapshots: list[Snapshot] = []
        lpips = self.networks.lpips
        comparison = Comparison(target.measures.faces, {} if lpips is None else {"lpips": lpips})
        pairs = zip(squares, self._targets(target), strict=False)
        kept: list[np.ndarray] = []  # whole clip, for SyncNet only
        done = 0
        for batch in _batches(pairs, _BATCH):
            for fine, recorded in batch:
                result = crop_and_resize(fine, _whole(fine), SIZE)
                meter.add(result)
                if self.networks.syncnet is not None:
                    kept.append(result)
                if done in moments:
                    snapshots.append(
                        Snapshot(done / FRAME_RATE, crop_and_resize(recorded, _whole(recorded), SIZE), result)
                    )
                done += 1
            if mode != "cross" or self.networks.fid is not None:
                self.frechet.add(*comparison.add(*zip(*batch, strict=True)))
        animation.close()
        measures = meter.result()
        driver = target.measures.first(done)
        still = source.measures.still(done)
        curves = motion_curves(measures, driver)
        copied = {key: finite_mean(curve) for key, curve in motion_curves(still, driver).items()}
        if mode != "cross":
            curves |= comparison.curves()
            copied |= comparison.copied()
        values = {key: finite_mean(curve) for key, curve in curves.items()}
        values["csim"] = identity_score(measures, source.measures.embeddings[0])
        values |= stability_scores(measures) | following_scores(measures, driver)
        values["ghost_cells"] = 100 * ghost_share(self.pipeline, portrait, animation.motion.motion)
        if mode == "audio":
            values |= speech_scores(measures, target.cues) | self._syncnet_scores(kept, measures, target)
            values |= {key: target.recorded[key] for key in ("av_offset", "av_confidence")}
        stages = dict(animation.timings.stages)
        values["frames_per_second"] = done / max(sum(stages.values()), 1e-9)
        values["first_frame"] = animation.timings.first_frame or math.nan
        return ClipScore(
            target.clip.name,
            source.clip.name,
            values,
            copied,
            curves,
            crop_and_resize(source.first_frame, source.box, SIZE),
            tuple(snapshots),
            stages,
            done,
        )

    def _crop(self, clip: PreparedClip) -> CropBox | None:
        return clip.box if self.crop_faces else None

    def _animate(
        self,
        mode: Mode,
        target: PreparedClip,
        portrait: Portrait,
        options: SamplingOptions | None,
        controls: MotionControls | None,
    ) -> Animation:
        if mode == "audio" and target.sound is not None:
            return self.pipeline.animate_from_audio(portrait, target.sound, controls, options)
        return self.pipeline.animate_from_video(portrait, target.driver)

    def _syncnet_scores(
        self, frames: list[np.ndarray], measures: ClipMeasures, target: PreparedClip
    ) -> dict[str, float]:
        faces = None if self.networks.syncnet is None else cut_faces(frames, measures.faces)
        if self.networks.syncnet is None or faces is None or target.sound is None:
            return {}
        score = self.networks.syncnet.score(faces, target.sound)
        return {} if score is None else {"sync_c": score.confidence, "sync_d": score.distance}

    def _frames(self, clip: Clip) -> Iterator[np.ndarray]:
        return islice(read_frames(clip.path), int(self.max_seconds * FRAME_RATE))

    def _targets(self, target: PreparedClip) -> Iterator[np.ndarray]:
        return (crop_and_resize(frame, target.box, FINE_SIZE) for frame in self._frames(target.clip))


def controls_of(clip: PreparedClip, pose: bool, gaze: bool) -> MotionControls | None:
    """Head pose and gaze of a recorded clip as controls: exact ones of a rendered clip, else the measured ones."""
    names = (POSE_NAMES if pose else ()) + (GAZE_NAMES if gaze else ())
    curves = {}
    for name in names:
        curve = np.asarray((clip.clip.truth or {}).get(name, clip.measures.readings[name]), np.float64)
        known = np.isfinite(curve)
        if not known.any():  # eyes that are shut all the time show no gaze to ask for
            continue
        whole = np.interp(np.arange(len(curve)), np.flatnonzero(known), curve[known])
        curves[name] = whole.clip(-LIMITS[name], LIMITS[name]).astype(np.float32)
    return MotionControls(**curves) if curves else None


def _whole(frame: np.ndarray) -> CropBox:
    return CropBox(0, 0, frame.shape[0])


def _batches(items: Iterable, size: int) -> Iterator[list]:
    iterator = iter(items)
    while batch := list(islice(iterator, size)):
        yield batch
