"""Named sets of models: how they are built, how they are sampled by default, where their weights come from.

``tiny`` ships with the package. ``base`` is the official model, downloaded from the Hub and converted once.
The configurations a model is built from are those inside its weight files, so they cannot disagree with the
weights; the values here say what to train, and what an official checkpoint is expected to hold.
"""

import os
from dataclasses import dataclass, field, replace
from pathlib import Path

from imtalker.config import (
    AudioEncoderConfig,
    CropConfig,
    GeneratorConfig,
    RendererConfig,
    SamplingOptions,
    SpectralEncoderConfig,
)
from imtalker.errors import InputError

BUNDLED_WEIGHTS = Path(__file__).parent
BASE_REPO = "cbsjtu01/IMTalker"
# The commit is resolved at the first download and recorded beside the converted weights, which are used from
# then on without asking the Hub again. No commit hash or checksum stands here because none could be
# confirmed: IMTALKER_BASE_REVISION pins a commit of your choice.
BASE_REVISION = "main"
BASE_REVISION_VARIABLE = "IMTALKER_BASE_REVISION"


@dataclass(frozen=True)
class HubFile:
    """A file on the Hub."""

    repo: str
    name: str  # path inside the repository
    revision: str  # branch, tag or commit hash
    sha256: str | None = None  # of the whole file; None: unknown, not verified


@dataclass(frozen=True)
class Preset:
    """A full set of models. Without ``files`` the weights lie in ``directory``."""

    name: str
    renderer: RendererConfig
    generator: GeneratorConfig
    audio: AudioEncoderConfig | SpectralEncoderConfig
    crop: CropConfig = field(default_factory=CropConfig)
    sampling: SamplingOptions = field(default_factory=SamplingOptions)
    files: tuple[HubFile, ...] = ()  # official checkpoints on the Hub
    directory: Path | None = None


# ---- base: the official model; a checkpoint's keys tell its two public revisions apart (convert.py)

RENDERER_V2 = RendererConfig()
RENDERER_V1 = replace(RENDERER_V2, input_size=256, stem="conv7")
GENERATOR_V2 = GeneratorConfig()
GENERATOR_V1 = replace(GENERATOR_V2, position="additive", attention_band=5)

# The official sampler's nfe=10 counts grid points: nine Euler steps. Ten are one more than it takes.
BASE_SAMPLING = SamplingOptions(num_steps=10, guidance_scale=2.0)


def _base(name: str, renderer: RendererConfig, generator: GeneratorConfig) -> Preset:
    revision = os.environ.get(BASE_REVISION_VARIABLE) or BASE_REVISION
    files = tuple(HubFile(BASE_REPO, file, revision) for file in ("renderer.ckpt", "generator.ckpt"))
    # the official crop: a square 1.6 times the face box's longer side, centred on it
    return Preset(name, renderer, generator, AudioEncoderConfig(), CropConfig(scale=1.6), BASE_SAMPLING, files=files)


# ---- tiny: the bundled model -------------------------------------------------------------------------------

TINY_RENDERER = RendererConfig(
    input_size=256,
    output_size=256,
    channels=(160, 128, 96, 48, 24),
    num_coarse_levels=3,
    stem="unshuffle",
    identity_dim=128,
    linear_skips=True,
    num_residuals=1,
    motion_encoder_unshuffle=4,
    motion_encoder_channels=(64, 96, 128, 160, 192),
    motion_encoder_pool="flatten",
    motion_encoder_blocks="plain",
    adapter_dim=192,
    adapted_dim=96,
    motion_map_channels=(96, 96, 64),
    motion_decoder_convs=2,
    attention_heads=1,
    attention_dims=(64, 64, 64),
    cosine_attention=True,
    attend_to_appearance=True,
    resampler="coordinate",
    upsample="linear",
    synthesis_heads=4,
    synthesis_attention=("global", "none", "none", "none"),
    motion_skip=True,
    pixel_gate=True,
    teeth_texture=True,
)
TINY_AUDIO = SpectralEncoderConfig()
TINY_GENERATOR = GeneratorConfig(
    audio_dim=TINY_AUDIO.hidden_size,
    statistics_dim=15,  # rest of the six head channels and nine amounts of the style
    speech_attention=True,
    condition_dim=64,
    hidden_dim=128,
    num_layers=4,
    num_heads=4,
    mlp_ratio=3,
    motion_layout="explicit",
    hears_lips=True,
)
# the YuNet box that reproduces the training crop best (measured on the training portraits)
TINY_CROP = CropConfig(scale=1.483, shift_y=0.006)
# stronger guidance opens the mouth further than speech does, weaker less far
TINY_SAMPLING = SamplingOptions(num_steps=10, guidance_scale=1.35)


PRESET_NAMES = ("tiny", "base", "base-v1")


def get_preset(name: str) -> Preset:
    """The preset of that name. Raises InputError with the known names."""
    if name == "tiny":
        directory = BUNDLED_WEIGHTS / "tiny"
        return Preset(name, TINY_RENDERER, TINY_GENERATOR, TINY_AUDIO, TINY_CROP, TINY_SAMPLING, directory=directory)
    if name == "base":
        return _base(name, RENDERER_V2, GENERATOR_V2)
    if name == "base-v1":
        return replace(_base(name, RENDERER_V1, GENERATOR_V1), files=())
    raise InputError(f"unknown preset {name!r}; choose one of {', '.join(PRESET_NAMES)}, or give a folder of weights")
