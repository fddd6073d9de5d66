"""Every number that shapes a model or a run, as frozen dataclasses. Presets are values of these classes.

The official architecture ("base") and the small bundled one ("tiny") are two values of the same classes;
fields whose comment says "tiny" switch on parts that the official networks do not have.
"""

from dataclasses import dataclass, replace
from types import MappingProxyType
from typing import Literal

from imtalker.errors import InputError

SAMPLE_RATE = 16_000  # Hz, of all speech inside the package
FRAME_RATE = 25  # video frames per second, of all motion and all output
SAMPLES_PER_FRAME = SAMPLE_RATE // FRAME_RATE  # of speech in one video frame
MOTION_DIM = 32  # numbers in one motion latent
BODY_CELLS = 16  # to each side, of a lattice that tells how hair and shoulders of a driving clip move
BODY_DIM = 2 * BODY_CELLS**2  # numbers of it, that may follow the latent; no network sees them
LIP_CHANNELS = 2  # log-odds that the sound tells of the lips, after the audio features: closed for m, b, p; silence


@dataclass(frozen=True)
class RendererConfig:
    """The renderer (paper section 3.2). Level i of the pyramid has side ``8 * 2**i``; coarse levels come first."""

    input_size: int = 512  # side of the square source and driving images, pixels
    output_size: int = 512  # side of the square result: twice the finest level, pixels
    motion_dim: int = MOTION_DIM
    channels: tuple[int, ...] = (512, 512, 256, 128, 64, 32)  # appearance channels, level 0 (8x8) first
    num_coarse_levels: int = 4  # levels aligned by cross-attention; finer ones use the guided resampler
    # identity encoder
    stem: Literal["conv7", "conv7_down", "unshuffle"] = "conv7_down"  # v1, v2, tiny
    identity_dim: int = 512
    linear_skips: bool = False  # tiny: linear paths beside the MLPs of identity vector and adapter
    num_residuals: int = 2  # residual blocks inside every convolution block
    # motion encoder
    motion_encoder_unshuffle: int = 1  # tiny: 4, a quarter of the resolution with every pixel kept as channels
    motion_encoder_channels: tuple[int, ...] = (64, 128, 256, 512, 512, 512)
    motion_encoder_pool: Literal["mean", "flatten"] = "mean"
    motion_encoder_blocks: Literal["blurred", "plain"] = "blurred"  # tiny: "plain", normalised strided convolutions
    # identity adapter
    adapter_dim: int = 512
    adapted_dim: int = MOTION_DIM  # tiny: wider, so that the face's own geometry passes to the motion maps
    # motion decoder: channels of the 4x4 constant and of the maps at the coarse levels
    motion_map_channels: tuple[int, ...] = (512, 512, 256, 128)
    motion_decoder_convs: int = 3  # styled convolutions per level
    # motion transfer
    attention_heads: int = 8
    attention_dims: tuple[int, ...] | None = None  # width of queries and keys per coarse level; None: channels
    cosine_attention: bool = False  # tiny: normalised queries and keys with a learned temperature
    attend_to_appearance: bool = False  # tiny: keys also see the identity features
    resampler: Literal["block", "coordinate"] = "block"  # tiny: "coordinate" samples at sub-cell positions
    guide_window: int = 9  # "coordinate": cells round the peak that take part in the soft-argmax
    # synthesis
    upsample: Literal["conv", "linear"] = "conv"  # tiny: "linear" is a 1x1 convolution and bilinear doubling
    synthesis_heads: int = 8
    synthesis_attention: tuple[Literal["global", "window", "none"], ...] = (
        "global",
        "global",
        "global",
        "window",
        "window",
    )  # after the fusion at levels 1, 2, ...
    window_size: int = 8  # side of the windows of "window" attention, cells
    motion_skip: bool = False  # tiny: the driving motion maps are fused too
    pixel_gate: bool = False  # tiny: the result mixes resampled source pixels with synthesised ones
    teeth_texture: bool = False  # tiny: with pixel_gate, learned rows of teeth behind the synthesised pixels

    @property
    def num_levels(self) -> int:
        return len(self.channels)

    @property
    def sizes(self) -> tuple[int, ...]:
        """Sides of the frames that can be made, pixels, the best last: source pixels may be moved at twice the
        network's own resolution."""
        return (self.output_size, 2 * self.output_size) if self.pixel_gate else (self.output_size,)

    def check_size(self, size: int | None) -> None:
        """Raise InputError for a side of frames that cannot be made; None asks for none in particular."""
        if size is not None and size not in self.sizes:
            known = " or ".join(map(str, self.sizes))
            raise InputError(f"size {size}: this renderer makes frames of {known} pixels")

    def level_size(self, level: int) -> int:
        """Side of a level's feature map, cells."""
        return 8 * 2**level


@dataclass(frozen=True)
class GeneratorConfig:
    """The flow-matching motion generator (paper section 3.3)."""

    motion_dim: int = MOTION_DIM
    audio_dim: int = 768  # channels of the audio features
    pose_dim: int = 3
    camera_dim: int = 3
    gaze_dim: int = 2
    statistics_dim: int = 0  # tiny: rest of the head and the style as a condition (IF-MDM)
    speech_attention: bool = False  # tiny: speech added into every self-attention too (IF-MDM, table 2)
    condition_dim: int = 32
    hidden_dim: int = 512
    num_layers: int = 8
    num_heads: int = 8
    mlp_ratio: int = 4
    window_frames: int = 50
    context_frames: int = 10
    position: Literal["rotary", "additive"] = "rotary"  # v2, v1
    attention_band: int | None = None  # v1: a frame attends to this many neighbours on each side
    # "learned": official, the 32 numbers have no names; pose and gaze as SMIRK and L2CS give them.
    # "explicit": tiny, head and gaze are named channels of the motion (generator/controls.py) and its conditions.
    motion_layout: Literal["learned", "explicit"] = "learned"
    hears_lips: bool = False  # tiny: the audio features end with LIP_CHANNELS, which decide where lips close

    @property
    def feature_dim(self) -> int:
        """Channels of the audio features that are given."""
        return self.audio_dim + LIP_CHANNELS * self.hears_lips


@dataclass(frozen=True)
class AudioEncoderConfig:
    """A ``transformers.Wav2Vec2Model``; the defaults are wav2vec2-base-960h."""

    hidden_size: int = 768
    num_hidden_layers: int = 12
    num_attention_heads: int = 12
    intermediate_size: int = 3072
    conv_dim: tuple[int, ...] = (512,) * 7
    conv_kernel: tuple[int, ...] = (10, 3, 3, 3, 3, 2, 2)
    conv_stride: tuple[int, ...] = (5, 2, 2, 2, 2, 2, 2)
    num_conv_pos_embeddings: int = 128
    num_conv_pos_embedding_groups: int = 16

    @property
    def feature_dim(self) -> int:
        """Channels of the audio features."""
        return self.hidden_size


@dataclass(frozen=True)
class SpectralEncoderConfig:
    """tiny: residual convolutions over log mel spectra, at 100, 50 and 25 Hz."""

    mel_bands: int = 64
    fine_size: int = 160  # channels at 50 Hz
    fine_layers: int = 3
    hidden_size: int = 288  # channels at 25 Hz, the features
    dilations: tuple[int, ...] = (1, 1, 2, 2, 4, 4, 1, 1)  # of the layers at 25 Hz
    kernel_size: int = 5
    surroundings_size: int = 64  # channels that sum up how somebody speaks, and where
    surroundings_reach: int = 75  # frames of it before and behind

    @property
    def feature_dim(self) -> int:
        """Channels of the audio features; the last LIP_CHANNELS say what is heard of the lips."""
        return self.hidden_size + LIP_CHANNELS


@dataclass(frozen=True)
class CropConfig:
    """How a detected face box becomes the square the networks see."""

    scale: float = 1.6  # side of the square / longer side of the face box
    shift_y: float = 0.0  # shift of the centre, fraction of the square's side; negative is up


Solver = Literal["euler", "midpoint", "heun"]


@dataclass(frozen=True)
class SamplingOptions:
    """How motion is sampled from the flow (paper eq. 12)."""

    num_steps: int = 10  # network evaluations per window; midpoint and Heun spend two per step, so even
    guidance_scale: float = 2.0  # on the audio; 1 switches guidance off
    pose_guidance: float = 1.0
    gaze_guidance: float = 1.0
    solver: Solver = "euler"
    seed: int = 25
    noise: Literal["stream", "repeat"] = "stream"  # one noise stream per clip | upstream: the same in every window


@dataclass(frozen=True)
class Limits:
    """The range of a number; both ends belong to it."""

    least: float
    most: float
    whole: bool = False  # whole numbers only

    def narrowed(self, least: float | None = None, most: float | None = None) -> "Limits":
        """A smaller range of the same kind.

        Raises:
            ValueError: it is not inside this one.
        """
        inner = replace(self, least=self.least if least is None else least, most=self.most if most is None else most)
        if not self.least <= inner.least <= inner.most <= self.most:
            raise ValueError(f"{inner.least:g}..{inner.most:g} is not inside {self.least:g}..{self.most:g}")
        return inner

    def check(self, name: str, value: object, hint: str = "") -> None:
        """Raise ``InputError`` for a value that is no number of this range."""
        shown = f"{value!r:.60}"
        if isinstance(value, int | float) and not isinstance(value, bool):
            if self.least <= value <= self.most and (isinstance(value, int) or not self.whole):
                return
            shown = f"{value:g}" if abs(value) < 1e18 else shown  # whole numbers may be larger than any float
        kind = "whole number" if self.whole else "number"
        raise InputError(f"{name} is {shown}; give a {kind} from {self.least:g} to {_shown(self.most)}{hint}")


def _shown(number: float) -> str:
    return f"{number:g}" if abs(number) < 1e6 else str(int(number))


SAMPLING_LIMITS = MappingProxyType(
    {
        "num_steps": Limits(1, 1000, whole=True),
        "guidance_scale": Limits(0, 20),
        "pose_guidance": Limits(0, 20),
        "gaze_guidance": Limits(0, 20),
        "seed": Limits(0, 2**63 - 1, whole=True),
    }
)
