"""How far the sound of a recorded clip is off its picture, by more of the clip than is scored."""

import logging
from collections.abc import Callable
from itertools import islice

import numpy as np

from imtalker.config import SAMPLE_RATE
from imtalker.evaluate.av_offset import AvOffset, av_offset
from imtalker.evaluate.clip_measures import ClipMeasures, ClipMeter
from imtalker.evaluate.dataset import Clip
from imtalker.evaluate.phonemes import recognise_phonemes
from imtalker.media.audio import load_waveform
from imtalker.media.video import read_frames

logger = logging.getLogger(__name__)

SECONDS = 30  # of a recording that tell its offset, however little of it is scored


def recording_offset(
    clip: Clip, measures: ClipMeasures, fps: float, cut: Callable[[np.ndarray], np.ndarray] | None = None
) -> AvOffset:
    """The offset of a clip by up to 30 s of it, see ``av_offset``.

    Args:
        measures: of the clip's first frames, which are not measured again.
        fps: frames per second of ``measures``.
        cut: what has been measured of each frame; None: all of it.
    """
    meter = ClipMeter(fps, identity_every=0)
    for frame in islice(read_frames(clip.path, fps), measures.num_frames, int(SECONDS * fps)):
        meter.add(frame if cut is None else cut(frame))
    seen = (measures.readings, meter.result().readings)
    opening, width = (np.concatenate([s[name] for s in seen]) for name in ("mouth_opening", "mouth_width"))
    sound = load_waveform(clip.path)[: int(len(opening) / fps * SAMPLE_RATE)]
    offset = av_offset(opening, width, recognise_phonemes(sound), fps)
    said = f"{1000 * offset.found:+.0f} ms, confidence {offset.confidence:.2f}"
    logger.info("%s: picture after sound %s%s", clip.name, said, "" if offset.trusted else ", left as it is")
    return offset
