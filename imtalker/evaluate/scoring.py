"""From the measures of two clips to the numbers of the tables. Values that cannot be known are NaN."""

import math

import numpy as np

from imtalker.evaluate.clip_measures import ClipMeasures
from imtalker.evaluate.face_metrics import aed, angular_error, apd, csim, finite_mean, gaze_direction, lip_distance
from imtalker.evaluate.lip_sync import closure_rate, lip_sync
from imtalker.evaluate.phonemes import SpeechCues
from imtalker.evaluate.stability import landmark_jitter, value_range


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


def identity_score(result: ClipMeasures, source: np.ndarray | None) -> float:
    """Mean CSIM of a clip with the source's embedding (128,)."""
    return math.nan if source is None or not len(result.embeddings) else finite_mean(csim(result.embeddings, source))


def speech_scores(measures: ClipMeasures, cues: SpeechCues | None) -> dict[str, float]:
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


def ruler_errors(measures: ClipMeasures, truth: dict) -> dict[str, float]:
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
