"""From the measures of two clips to the numbers of the tables. Values that cannot be known are NaN."""

import math

import numpy as np
import torch
from torch import Tensor

from imtalker.evaluate.clip_measures import ClipMeasures
from imtalker.evaluate.face_metrics import aed, angular_error, apd, csim, finite_mean, gaze_direction, lip_distance
from imtalker.evaluate.lip_sync import closure_rate, lip_sync
from imtalker.evaluate.phonemes import PhonemeTrack
from imtalker.evaluate.stability import landmark_jitter, value_range
from imtalker.pipeline.talking_head import Portrait, TalkingHeadPipeline
from imtalker.renderer.motion_transfer import guide_coordinates
from imtalker.renderer.robust_guide import ghost_cells

GUIDE_BATCH = 8  # frames


def motion_curves(result: ClipMeasures, target: ClipMeasures) -> dict[str, np.ndarray]:
    """Per frame, (T,) each: differences of expression, pose, gaze and lips between a result and its target."""
    lips = [
        lip_distance(a, b) if a is not None and b is not None else math.nan
        for a, b in zip(result.head_frames(), target.head_frames(), strict=True)
    ]
    directions = [gaze_direction(clip.pose, clip.gaze) for clip in (result, target)]
    return {
        "aed": aed(result.expressions, target.expressions),
        "apd": apd(result.pose, target.pose),
        "gaze_mae": angular_error(*directions),
        "lmd": np.array(lips),
    }


def following_scores(result: ClipMeasures, driver: ClipMeasures) -> dict[str, float]:
    """How lids and eyes go along with the driver's: correlation over the frames in which both are known."""

    def lids(clip: ClipMeasures) -> np.ndarray:
        return (clip.readings["eye_left"] + clip.readings["eye_right"]) / 2

    gaze = [curve_correlation(result.gaze[:, axis], driver.gaze[:, axis]) for axis in range(2)]
    return {
        "lid_correlation": curve_correlation(lids(result), lids(driver)),
        "gaze_correlation": finite_mean(np.array(gaze)),
    }


def curve_correlation(first: np.ndarray, second: np.ndarray) -> float:
    """Pearson's correlation of two curves (T,) where both are numbers; NaN for fewer than three such frames, or when
    one of them does not change."""
    known = np.isfinite(first) & np.isfinite(second)
    a, b = first[known], second[known]
    if len(a) < 3 or min(a.std(), b.std()) < 1e-9:
        return math.nan
    return float(np.corrcoef(a, b)[0, 1])


@torch.inference_mode()
def ghost_share(pipeline: TalkingHeadPipeline, portrait: Portrait, motion: Tensor) -> float:
    """Share of the guide's cells, over all frames of a motion (T, 32), that point elsewhere than their neighbours.

    Without a motion NaN.
    """
    shares = []
    for batch in motion.to(portrait.features.motion).split(GUIDE_BATCH):
        guide = pipeline.models.renderer.guide(batch, portrait.features)
        shares += ghost_cells(guide_coordinates(guide)).tolist()
    return finite_mean(np.array(shares))


def identity_score(result: ClipMeasures, source: np.ndarray | None) -> float:
    """Mean CSIM of a clip with the source's embedding (128,)."""
    return math.nan if source is None or not len(result.embeddings) else finite_mean(csim(result.embeddings, source))


def speech_scores(measures: ClipMeasures, cues: PhonemeTrack | None) -> dict[str, float]:
    """Lip sync of a clip with what is heard."""
    opening = measures.readings["mouth_opening"]
    sync = None if cues is None else lip_sync(opening, cues, measures.fps)
    closure = None if cues is None else closure_rate(opening, cues, measures.fps)
    return {
        "lip_offset": math.nan if sync is None else abs(sync.offset) * 1000,
        "lip_correlation": math.nan if sync is None else sync.correlation_as_is,
        "lip_confidence": math.nan if sync is None else sync.confidence,
        "closure_rate": math.nan if closure is None else closure,
    }


def stability_scores(measures: ClipMeasures) -> dict[str, float]:
    """Calmness and liveliness of a clip."""
    return {
        "flicker": finite_mean(measures.background_changes),
        "jitter": landmark_jitter(measures.points) if measures.face_rate else math.nan,
        "head_range": finite_mean(np.array([value_range(curve) for curve in measures.pose.T])),
    }


def measuring_errors(measures: ClipMeasures, truth: dict) -> dict[str, float]:
    """How far the measuring itself is off on a rendered clip whose pose and gaze are known exactly, degrees."""
    errors = {}
    for key, names in (("pose", ("yaw", "pitch", "roll")), ("gaze", ("gaze_x", "gaze_y"))):
        differences = [
            np.abs(measures.readings[name][: len(truth[name])] - np.asarray(truth[name])[: measures.num_frames])
            for name in names
            if name in truth
        ]
        if differences:
            errors[key] = finite_mean(np.concatenate(differences))
    return errors
