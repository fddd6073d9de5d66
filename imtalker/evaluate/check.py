"""Is one finished video in order? Each finding has a number, a verdict and plain words."""

import logging
import math
from concurrent.futures import ThreadPoolExecutor
from dataclasses import asdict, dataclass
from pathlib import Path

import numpy as np

from imtalker.config import FRAME_RATE, SAMPLE_RATE
from imtalker.errors import InputError, WeightsError
from imtalker.evaluate.clip_measures import ClipMeasures, measure_clip
from imtalker.evaluate.face_metrics import csim
from imtalker.evaluate.findings import (
    asked_findings,
    duration_finding,
    face_finding,
    flicker_finding,
    freeze_finding,
    identity_finding,
    jitter_finding,
    lip_findings,
    motion_finding,
)
from imtalker.evaluate.phonemes import PhonemeTrack, recognise_phonemes
from imtalker.evaluate.verdict import Finding
from imtalker.faces.identity import identity_embedding
from imtalker.faces.landmarks import find_faces
from imtalker.media.audio import load_clip_sound, load_waveform
from imtalker.media.image import load_portrait
from imtalker.media.video import probe_video, read_frames
from imtalker.pipeline.recipe import read_recipe, requested_controls

logger = logging.getLogger(__name__)

_EVERY_FRAME_SECONDS = 12.0  # of longer clips every second frame is searched for the face


@dataclass(frozen=True)
class CheckReport:
    """What ``check_video`` found."""

    video: str  # file name
    seconds: float  # duration of the pictures
    findings: tuple[Finding, ...]

    @property
    def ok(self) -> bool:
        """True when nothing that could be judged is wrong."""
        return all(finding.ok is not False for finding in self.findings)

    def as_dict(self) -> dict:
        """JSON-able; numbers that are not known are None."""
        return {
            "video": self.video,
            "seconds": round(self.seconds, 3),
            "ok": self.ok,
            "findings": [asdict(finding) for finding in self.findings],
        }

    def __str__(self) -> str:
        """A table: mark, name, value, words."""
        marks = {True: "ok ", False: "BAD", None: " - "}
        lines = [f"{self.video}: {self.seconds:.2f} s, {'in order' if self.ok else 'NOT in order'}"]
        for finding in self.findings:
            lines.append(f"  {marks[finding.ok]} {finding.title:<22} {finding.value_text:>12}  {finding.verdict}")
        return "\n".join(lines)


def check_video(
    video: str | Path,
    audio: str | Path | None = None,
    portrait: str | Path | np.ndarray | None = None,
    recipe: dict | None = None,
) -> CheckReport:
    """Check a finished talking-head video.

    Takes under a third of the clip's length on one core, plus half a second to load the networks at the first call:
    landmarks by tracking, in longer clips in every second frame, identity once a second; phonemes in a second thread.

    Args:
        video: the clip. Its own sound is what the lips are compared with.
        audio: the speech it was made from; its length is compared, and it stands in for a missing sound track.
        portrait: the picture it was made from; identity is compared with it, else with the first frame.
        recipe: what was asked for, as ``imtalker.pipeline.recipe`` writes it; by default the one inside the video.

    Raises:
        InputError: a file is missing or damaged, or the portrait shows no face.
    """
    info = probe_video(video)
    recipe = read_recipe(video) if recipe is None else recipe
    expected = None if audio is None else len(load_waveform(audio)) / SAMPLE_RATE
    waveform = load_clip_sound(video, info.audio_offset) if info.has_audio else None
    if waveform is not None and expected is None:
        expected = len(waveform) / SAMPLE_RATE
    if waveform is None and audio is not None:
        waveform = load_waveform(audio)
    reference = None if portrait is None else _portrait_identity(portrait)
    with ThreadPoolExecutor(1) as listener:
        heard = listener.submit(_hear, waveform)
        sparse = (info.duration or 0) > _EVERY_FRAME_SECONDS
        measures = measure_clip(
            read_frames(video),
            FRAME_RATE,
            face_every=2 if sparse else 1,
            identity_every=2 * FRAME_RATE if sparse else FRAME_RATE,
        )
        cues = heard.result()
    return CheckReport(
        Path(video).name,
        measures.num_frames / FRAME_RATE,
        tuple(_findings(measures, cues, expected, audio is not None, reference, recipe)),
    )


def _findings(
    measures: ClipMeasures,
    cues: PhonemeTrack | str | None,
    expected: float | None,
    exact: bool,
    reference: np.ndarray | None,
    recipe: dict | None,
) -> list[Finding]:
    similarity = math.nan
    if len(measures.embeddings):
        target = measures.embeddings[0] if reference is None else reference
        later = measures.embeddings if reference is not None else measures.embeddings[1:]
        # A fifth of the clip with another face is enough to be seen, and to be said.
        similarity = float(np.percentile(csim(later, target), 20)) if len(later) else math.nan
    return [
        duration_finding(measures.num_frames / measures.fps, expected, exact),
        face_finding(measures),
        *lip_findings(measures, cues),
        identity_finding(similarity, reference is not None),
        freeze_finding(measures),
        flicker_finding(measures),
        jitter_finding(measures),
        motion_finding(measures),
        *asked_findings(measures, requested_controls(recipe)),
    ]


def _hear(waveform: np.ndarray | None) -> PhonemeTrack | str | None:
    """What the sound asks of the lips; None without sound; the reason when it cannot be heard."""
    if waveform is None:
        return None
    try:
        return recognise_phonemes(waveform)
    except WeightsError as error:
        return str(error)


def _portrait_identity(portrait: str | Path | np.ndarray) -> np.ndarray:
    image = load_portrait(portrait)
    faces = find_faces(image)
    if not faces:
        name = portrait if isinstance(portrait, str | Path) else "the portrait"
        raise InputError(f"{name} shows no face to compare with; give another picture or none")
    return identity_embedding(image, faces[0])
