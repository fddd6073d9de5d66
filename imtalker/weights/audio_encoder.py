"""Audio encoders of either kind: which one a configuration or a weight file means."""

import json
import os

from imtalker.config import AudioEncoderConfig, SpectralEncoderConfig
from imtalker.generator.audio_encoder import AudioEncoder
from imtalker.generator.spectral_encoder import SpectralEncoder
from imtalker.generator.speech_encoder import SpeechEncoder
from imtalker.weights.file import load_module, read_metadata

AudioConfig = AudioEncoderConfig | SpectralEncoderConfig


def build_audio_encoder(config: AudioConfig) -> SpeechEncoder:
    """A network with random weights."""
    return SpectralEncoder(config) if isinstance(config, SpectralEncoderConfig) else AudioEncoder(config)


def load_audio_encoder(path: str | os.PathLike) -> tuple[SpeechEncoder, AudioConfig, dict[str, str]]:
    """The network in a file, in evaluation mode, its configuration and the metadata.

    Raises:
        WeightsError: the file is missing or damaged, or does not fit.
    """
    try:
        spectral = "mel_bands" in json.loads(read_metadata(path)["config"])
    except (ValueError, TypeError):
        spectral = False  # the loader says what is wrong with it
    if spectral:
        return load_module(path, SpectralEncoderConfig, SpectralEncoder)
    return load_module(path, AudioEncoderConfig, AudioEncoder)
