"""Learn how a person articulates from a clip: from its pictures, and from its sound where that is the person's own."""

import numpy as np
import torch

from imtalker.config import SAMPLE_RATE, SamplingOptions
from imtalker.dubbing.articulation import Articulation
from imtalker.dubbing.lips import SpokenWindow, speech_motion
from imtalker.dubbing.mouth_space import lip_gap
from imtalker.dubbing.own_mouth import OwnMouth, SeenMouths, Spread, opening_and_width
from imtalker.dubbing.references import References
from imtalker.dubbing.speech_fit import fit_speech, offset_of, sampled
from imtalker.pipeline.talking_head import TalkingHeadPipeline
from imtalker.pipeline.workers import by_one_thread

LEAST_SECONDS, LEAST_SOUND = 1.0, 0.01  # of speech, and its peak, that tell something
LEAST_MOTION = 0.05  # cm, deviation of the lip gap below which somebody does not speak
LEAST_FRAMES = 8  # that show the person
HEARD_SECONDS = 8.0  # of the new speech that tell what is generated, where the clip's own sound does not


def own_articulation(
    pipeline: TalkingHeadPipeline,
    seen: SeenMouths,
    sound: np.ndarray | None,
    speech: np.ndarray,
    references: References,
    sampling: SamplingOptions | None,
    fitted: bool = False,
) -> Articulation:
    """How a person articulates in a clip; as generated where nothing tells.

    Args:
        sound: of the clip from its start, ``(N,)`` at 16 kHz; None: there is none.
        speech: what is to be said, the same.
        fitted: also fit what the person does for certain sounds, where the clip's sound is the person's.
    """
    moved = float(lip_gap(torch.from_numpy(seen.motion)).std(correction=0)) if len(seen.motion) else 0.0
    if len(seen.motion) < LEAST_FRAMES or moved < LEAST_MOTION:
        return Articulation()
    own = OwnMouth.of(seen.motion)
    numbers = opening_and_width(torch.from_numpy(seen.motion))
    begin = float(seen.seconds[0])
    sound = None if sound is None else sound[round(begin * SAMPLE_RATE) :]
    fit = spoken = None
    if sound is not None and len(sound) >= LEAST_SECONDS * SAMPLE_RATE and np.abs(sound).max() >= LEAST_SOUND:
        spoken = _spoken(pipeline, sound, references, sampling)
        generated, times = opening_and_width(spoken.motion), seen.seconds - begin
        offset = offset_of(numbers, times, generated)
        if offset is None:
            spoken = None  # music, noise, or somebody else
        elif fitted:
            spread = Spread.of(sampled(generated, times - offset))
            fit = fit_speech(
                own.spread.standard(numbers),
                times - offset,
                spread.standard(generated),
                spoken.features.double().numpy(),
            )
    heard = sound if spoken is not None else speech[: round(HEARD_SECONDS * SAMPLE_RATE)]
    assert heard is not None
    if spoken is None:
        spoken = _spoken(pipeline, heard, references, sampling)
    spread = Spread.of(opening_and_width(spoken.motion)).doubted(len(spoken.motion), own.spread)
    return Articulation(own=own, generated=spread, fit=fit).steadied(spoken, references)


def _spoken(
    pipeline: TalkingHeadPipeline, waveform: np.ndarray, references: References, sampling: SamplingOptions | None
) -> SpokenWindow:
    """The whole of a speech."""
    windows = list(by_one_thread(speech_motion(pipeline, waveform, references, sampling)))
    return SpokenWindow(*(torch.cat(parts) for parts in zip(*windows, strict=True)))
