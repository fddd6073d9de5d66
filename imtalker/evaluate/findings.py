"""From measurements to verdicts: what is fine, what is wrong, and how to say it."""

import math

import numpy as np

from imtalker.config import FRAME_RATE
from imtalker.evaluate.clip_measures import ClipMeasures
from imtalker.evaluate.face_metrics import finite_mean
from imtalker.evaluate.lip_sync import LipSync, closure_rate, lip_sync
from imtalker.evaluate.phonemes import PhonemeTrack
from imtalker.evaluate.stability import landmark_jitter, longest_freeze, value_range
from imtalker.evaluate.verdict import Finding, finding
from imtalker.faces.identity import SAME_PERSON

MAX_LIP_OFFSET = 0.1  # seconds; viewers begin to notice (ITU-R BT.1359: 0.045 early sound, 0.125 late sound)
# Below it no offset can be told: 95 of 100 lips beside a foreign sound stay below it (90 pairs of 3 to 9 seconds).
CHANCE_CONFIDENCE = 0.95  # in one second; in T seconds 1 / sqrt(T) of it
MIN_SYNC_CONFIDENCE = 0.2
MIN_CORRELATION = 0.15  # of lips that follow the sound
MIN_SECONDS_TO_BLAME = 4.0  # in shorter clips lips that follow well may seem not to
MIN_CLOSURES = 5  # bilabials needed to judge
MIN_CLOSURE_RATE = 0.4
STRONG_IDENTITY = 0.87
OTHER_PERSON = 0.5
MAX_FREEZE = 0.32  # seconds; faces that rest still tremble and breathe
MAX_FLICKER = 1.5  # grey levels from frame to frame; H.264 alone makes up to about 0.5
MAX_JITTER = 1.5  # percent of the distance of the eyes
# How far a measured angle may lie from what was asked for, degrees. The reading itself errs by about half of it:
# the pitch of a face depends on its features, and irises are small.
ASKED_TOLERANCE = {"yaw": 6.0, "pitch": 11.0, "roll": 6.0, "gaze_x": 9.0, "gaze_y": 14.0}
_OFFSET_TITLE, _CLOSURE_TITLE = "lips to sound", "lips closed at p b m"
_ANGLE_TITLES = {
    "yaw": "head left-right",
    "pitch": "head up-down",
    "roll": "head tilt",
    "gaze_x": "gaze left-right",
    "gaze_y": "gaze up-down",
}


def duration_finding(seconds: float, expected: float | None, exact: bool) -> Finding:
    """Are the pictures as long as the sound?

    Args:
        seconds: of pictures.
        expected: of sound, None without any.
        exact: ``expected`` is from the original recording; a sound track in a video is padded to whole blocks.
    """
    title = "length"
    if expected is None:
        return finding("duration", title, math.nan, "ms", None, "There is no sound to compare the length with.")
    difference = seconds - expected
    tolerance = 1.01 / FRAME_RATE + (0.0 if exact else 0.1)
    ok = abs(difference) <= tolerance
    words = "Pictures and sound are equally long."
    if not ok:
        words = f"The pictures are {abs(difference):.2f} s {'longer' if difference > 0 else 'shorter'} than the sound."
    return finding("duration", title, difference * 1000, "ms", ok, words)


def face_finding(measures: ClipMeasures) -> Finding:
    """Is a face seen all the time?"""
    rate = measures.face_rate
    words = "The face is seen all the time." if rate > 0.97 else f"The face is seen in {rate:.0%} of the frames."
    if rate == 0:
        words = "No face is seen."
    return finding("face", "face seen", 100 * rate, "%", rate > 0.9, words)


def lip_findings(measures: ClipMeasures, cues: PhonemeTrack | str | None) -> list[Finding]:
    """Offset between lips and sound, and closure at p, b, m.

    Args:
        cues: what the sound asks of the lips; None without sound; a text: why it could not be heard.
    """
    opening, fps = measures.readings["mouth_opening"], measures.fps
    if isinstance(cues, PhonemeTrack):
        sync = lip_sync(opening, cues, fps)
        if sync is not None:
            return [_offset_finding(sync, len(opening) / fps), _closure_finding(closure_rate(opening, cues, fps), cues)]
    words = "There is no sound." if cues is None else "No speech and moving lips at the same time."
    if isinstance(cues, str):
        words = cues
    return [
        finding("lip_offset", _OFFSET_TITLE, math.nan, "ms", None, words),
        finding("closure_rate", _CLOSURE_TITLE, math.nan, "%", None, words),
    ]


def _offset_finding(sync: LipSync, seconds: float) -> Finding:
    inside = abs(sync.offset) < sync.offsets[-1]  # at the border the curve only rises; that is no peak
    needed = max(MIN_SYNC_CONFIDENCE, CHANCE_CONFIDENCE / math.sqrt(seconds))
    if inside and sync.confidence >= needed and sync.correlation >= MIN_CORRELATION:
        ok = abs(sync.offset) <= MAX_LIP_OFFSET
        late = "after" if sync.offset > 0 else "before"
        words = "Lips and sound go together."
        if not ok:
            words = f"The lips move {abs(sync.offset) * 1000:.0f} ms {late} the sound; shift one of them."
        return finding("lip_offset", _OFFSET_TITLE, sync.offset * 1000, "ms", ok, words)
    in_step = float(sync.curve[np.abs(sync.offsets) <= MAX_LIP_OFFSET].max())
    if in_step < MIN_CORRELATION and seconds >= MIN_SECONDS_TO_BLAME:
        return Finding("lip_offset", _OFFSET_TITLE, None, "ms", False, "The lips do not follow the sound.")
    words = "The lips follow the sound too weakly to tell an offset."
    return finding("lip_offset", _OFFSET_TITLE, math.nan, "ms", None, words)


def _closure_finding(rate: float | None, cues: PhonemeTrack) -> Finding:
    count = len(cues.closures)
    if rate is None or count < MIN_CLOSURES:
        words = "Too few p, b, m in the speech to judge."
        return finding("closure_rate", _CLOSURE_TITLE, math.nan, "%", None, words)
    ok = rate >= MIN_CLOSURE_RATE
    words = f"The lips close at {rate:.0%} of the {count} p, b, m" + ("." if ok else ": too rarely.")
    return finding("closure_rate", _CLOSURE_TITLE, 100 * rate, "%", ok, words)


def identity_finding(similarity: float, with_portrait: bool) -> Finding:
    """Is it the same person as in the portrait (else: as in the first frame)?"""
    other = "the portrait" if with_portrait else "the first frame"
    if math.isnan(similarity):
        words = "No two faces to compare."
    elif similarity >= STRONG_IDENTITY:
        words = f"The same person as in {other}."
    elif similarity >= SAME_PERSON:
        words = f"The same person as in {other}; the likeness could be better."
    elif similarity >= OTHER_PERSON:
        words = f"The likeness to {other} is too weak; perhaps another person."
    else:
        words = f"Not the person in {other}."
    return finding("identity", "likeness", similarity, "", similarity >= SAME_PERSON, words)


def freeze_finding(measures: ClipMeasures) -> Finding:
    """Does the picture stand still?"""
    start, length = longest_freeze(measures.changes)
    seconds = length / measures.fps
    ok = seconds <= MAX_FREEZE
    words = "The picture never stands still." if ok else f"The picture stands still for {seconds:.1f} s"
    if not ok:
        words += f" from {start / measures.fps:.1f} s on."
    return finding("freeze", "longest freeze", seconds, "s", ok, words)


def flicker_finding(measures: ClipMeasures) -> Finding:
    """Is the background calm?"""
    flicker = finite_mean(measures.background_changes)
    ok = flicker <= MAX_FLICKER
    words = "The background is calm." if ok else "The background flickers or moves."
    if math.isnan(flicker):
        words = "The face fills the picture; there is no background to judge."
    return finding("flicker", "background flicker", flicker, "levels", ok, words)


def jitter_finding(measures: ClipMeasures) -> Finding:
    """Does the face tremble?"""
    if all(measures.looked):
        jitter = landmark_jitter(measures.points)
    else:  # frames twice as far apart need a shorter path for a moving face to follow it
        jitter = landmark_jitter(measures.points[::2], reach=2)
    ok = jitter <= MAX_JITTER
    words = "The face moves smoothly." if ok else "The face trembles."
    if math.isnan(jitter):
        words = "The face is seen too briefly to judge."
    return finding("jitter", "trembling", jitter, "%", ok, words)


def motion_finding(measures: ClipMeasures) -> Finding:
    """How much does the head move? For information."""
    yaw, pitch, roll = (value_range(measures.readings[name]) for name in ("yaw", "pitch", "roll"))
    widest = max(yaw, pitch, roll)
    manner = "hardly moves" if widest < 2 else "moves calmly" if widest < 12 else "moves a lot"
    words = f"The head {manner}: {yaw:.0f} degrees left-right, {pitch:.0f} up-down, {roll:.0f} tilt."
    if math.isnan(widest):
        words = "No head to measure."
    return finding("head_range", "head range", widest, "deg", None, words)


def asked_findings(measures: ClipMeasures, controls: dict) -> list[Finding]:
    """Were the asked head pose and gaze reached? One finding for each that was asked for.

    Args:
        controls: from a recipe: yaw, pitch, roll, gaze_x, gaze_y as a number, a list of numbers, or
            ``{"mean": ...}`` of a curve; other keys are not looked at.
    """
    found = []
    for name, tolerance in ASKED_TOLERANCE.items():
        asked = _asked_value(controls.get(name))
        curve = measures.readings[name]
        if asked is None or not np.isfinite(curve).any():
            continue
        measured = float(np.nanmedian(curve) if isinstance(controls[name], int | float) else np.nanmean(curve))
        ok = abs(measured - asked) <= tolerance
        words = f"Asked for {asked:.0f} degrees, measured {measured:.0f}" + ("." if ok else ": not reached.")
        found.append(finding(f"asked_{name}", _ANGLE_TITLES[name], measured, "deg", ok, words))
    return found


def _asked_value(asked: object) -> float | None:
    if isinstance(asked, dict):
        asked = asked.get("mean")
    if isinstance(asked, int | float | list) and np.size(asked):
        values = np.asarray(asked, dtype=object)
        if all(isinstance(value, int | float) for value in values.ravel()):
            return float(np.mean(values.astype(float)))
    return None
