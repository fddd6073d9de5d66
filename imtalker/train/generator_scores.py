"""What a motion generator does on kept-out speech, on music alone, at window borders, and when a style is asked for."""

import argparse
import logging
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np
import torch

from imtalker.config import FRAME_RATE, SAMPLE_RATE, GeneratorConfig, SamplingOptions
from imtalker.generator.motion_generator import MotionGenerator
from imtalker.train.audio_data import AudioTrainingConfig, split_corpus
from imtalker.train.motion.control_tracks import puppet_controls
from imtalker.train.motion.scores import closures, false_closures, lag_correlation, silence_gap
from imtalker.train.music import music
from imtalker.train.options import configure_logging
from imtalker.train.puppet.motion_space import MotionSpace
from imtalker.train.speech.corpus import Utterance, load_corpus
from imtalker.train.speech.visemes import mouth_track
from imtalker.weights.audio_encoder import load_audio_encoder
from imtalker.weights.file import load_module
from imtalker.weights.presets import TINY_SAMPLING

logger = logging.getLogger(__name__)

STYLE_AMOUNTS = (0.25, 0.5, 1.0, 2.0, 3.0)
STYLE_SECONDS = 10.0


class Actor:
    """An audio encoder and a generator together: sound -> motion."""

    def __init__(self, folder: Path, options: SamplingOptions):
        self.encoder, _, _ = load_audio_encoder(folder / "audio_encoder.safetensors")
        self.generator, _, _ = load_module(folder / "generator.safetensors", GeneratorConfig, MotionGenerator)
        self.options, self.space = options, MotionSpace.load()

    def __call__(self, waveform: np.ndarray, seed: int = 0, controls: object = None) -> np.ndarray:
        """Motion (T, 32) for sound (N,), from a portrait in a pose of its own."""
        rng = np.random.default_rng(seed)
        portrait = torch.zeros(1, self.generator.config.motion_dim)
        portrait[0, :3] = torch.from_numpy(rng.normal(0, (0.4, 0.3, 0.2)))
        with torch.inference_mode():
            features = self.encoder.encode(waveform)
        windows = self.generator.generate(features, portrait, controls, replace(self.options, seed=seed))  # type: ignore
        return torch.cat(list(windows), 1)[0].numpy()


def blinks_in(aperture: np.ndarray) -> int:
    """Times that a lid opening (T,), 1 at rest, falls below 0.5."""
    return int((np.diff((aperture < 0.5).astype(int)) == 1).sum())


def speech_scores(actor: Actor, utterances: Sequence[Utterance]) -> dict[str, float]:
    """Lips, closures, pauses, blinks and head over utterances with phoneme times."""
    gaps, truths, pauses, ranges, openings, wrong = [], [], [], [], [], []
    closed = asked = blinks = frames = 0
    for seed, utterance in enumerate(utterances):
        motion = actor(utterance.waveform, seed)
        gap = actor.space.mouth_gap(motion)
        gaps.append(gap)
        truths.append(
            actor.space.mouth_gap(actor.space.encode(puppet_controls(mouth_track(utterance.segments, len(gap)))))
        )
        pauses.append(silence_gap(gap, utterance.segments))
        c, a = closures(gap, utterance.segments)
        closed, asked = closed + c, asked + a
        wrong.append(false_closures(gap, utterance.segments))
        blinks, frames = blinks + blinks_in(actor.space.eye_aperture(motion).mean(1)), frames + len(motion)
        openings.append(np.percentile(gap, 90))
        if len(motion) >= 4 * FRAME_RATE:
            ranges.append(10 * np.subtract(*np.percentile(motion[:, :3], [95, 5], axis=0)).max())
    correlation, lag = lag_correlation(np.concatenate(gaps), np.concatenate(truths))
    quiet = np.concatenate(pauses)
    return {
        "correlation": correlation, "lag": lag, "closures": 100 * closed / max(1, asked), "asked": asked,
        "false_closures": 100 * float(np.concatenate(wrong).mean()),
        "amplitude": np.concatenate(gaps).std() / np.concatenate(truths).std(),
        "pause_gap": float(quiet.mean()) if len(quiet) else 0.0, "opening": float(np.mean(openings)),
        "blinks": 60 * FRAME_RATE * blinks / frames, "head_range": float(np.median(ranges)) if ranges else 0.0,
    }  # fmt: skip


def music_opening(actor: Actor, count: int = 10) -> float:
    """90th percentile of the lip opening, cm, on six seconds of music; mean over pieces."""
    sounds = [music(6 * SAMPLE_RATE, np.random.default_rng((7, i))) for i in range(count)]
    return float(np.mean([np.percentile(actor.space.mouth_gap(actor(0.1 * sound)), 90) for sound in sounds]))


def border_ratio(actor: Actor, utterances: Sequence[Utterance]) -> float:
    """Mean step of head and eyes where windows meet, over the mean step elsewhere."""
    window = actor.generator.config.window_frames
    at, elsewhere = [], []
    for seed, utterance in enumerate(utterances):
        steps = np.abs(np.diff(actor(utterance.waveform, seed)[:, :8], axis=0))
        border = np.arange(len(steps)) % window == window - 1
        at.append(steps[border])
        elsewhere.append(steps[~border])
    return float((np.concatenate(at).mean(0) / np.concatenate(elsewhere).mean(0)).mean())


def style_table(actor: Actor, utterances: Sequence[Utterance]) -> dict[str, list[float]]:
    """What is measured for each option at ``STYLE_AMOUNTS``, relative to what is measured at 1."""
    from imtalker.generator.controls import MotionControls
    from imtalker.generator.motion_statistics import motion_amounts
    from imtalker.generator.motion_style import LIMITS, TYPICAL_BLINKS, MotionStyle

    columns = {
        "head": (0, 1, 2),
        "brows": (5,),
        "mouth": (6,),
        "blinks": (7,),
        "expressiveness": (0, 1, 2, 5),
    }
    sounds = [np.resize(u.waveform, int(STYLE_SECONDS * SAMPLE_RATE)) for u in utterances]
    table = {}
    for name, indices in columns.items():
        found = []
        for amount in STYLE_AMOUNTS:
            value = amount * (TYPICAL_BLINKS if name == "blinks" else 1)
            controls = MotionControls(style=MotionStyle(**{name: float(np.clip(value, *LIMITS[name]))}))
            rows = []
            for seed, sound in enumerate(sounds):
                motion = torch.from_numpy(actor(sound, seed, controls))
                rows.append(motion_amounts(motion, actor.generator.readout, actor.generator.typical).numpy())
            found.append(np.mean(rows, 0)[list(indices)].mean())
        table[name] = [float(x / found[STYLE_AMOUNTS.index(1.0)]) for x in found]
        logger.info("%s asked %s measured %s", name, STYLE_AMOUNTS, np.round(table[name], 2))
    return table


def main(argv: list[str] | None = None) -> None:
    """Score the audio encoder and the generator in a folder."""
    parser = argparse.ArgumentParser(description=main.__doc__)
    parser.add_argument("--weights", type=Path, required=True, help="folder with both files")
    parser.add_argument("--corpus", type=Path, required=True, help="folder made by imtalker.train.speech.corpus")
    parser.add_argument("--count", type=int, default=24, help="utterances of each kind")
    parser.add_argument("--styles", action="store_true", help="also the table of asked and measured amounts")
    options = parser.parse_args(argv)
    configure_logging()
    actor = Actor(options.weights, TINY_SAMPLING)
    _, kept = split_corpus(load_corpus(options.corpus), AudioTrainingConfig())
    kinds = {
        "reader 27": [u for u in kept if u.voice == "libri3:27"],
        "unheard readers": [u for u in kept if u.voice.startswith("libri251:")],
        "librivox": [u for u in kept if u.voice.startswith("librivox")],
        "allison": [u for u in kept if u.voice.startswith("allison")],
        "synthetic": [u for u in kept if u.voice.startswith(("hibari", "piper", "flite", "festival", "espeak"))],
    }
    for kind, utterances in kinds.items():
        chosen = utterances[:: max(1, round(len(utterances) / options.count))][: options.count]
        if chosen:
            numbers = speech_scores(actor, chosen)
            logger.info("%s: %s", kind, "  ".join(f"{k} {v:.3g}" for k, v in numbers.items()))
    long = [u for u in kept if u.duration > 6][:16]
    logger.info("opening on music %.3f cm", music_opening(actor))
    if long:
        logger.info("steps at borders / elsewhere %.2f", border_ratio(actor, long))
        if options.styles:
            style_table(actor, long[:3])


if __name__ == "__main__":
    main()
