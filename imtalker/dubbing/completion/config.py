"""Every number of a completion network."""

from dataclasses import dataclass


@dataclass(frozen=True)
class CompletionConfig:
    """Sizes; the defaults are "XS"."""

    patch_size: int = 96  # pixels, side of the registered mouth patch
    latent_channels: int = 16  # of the autoencoder's latent, a quarter of the patch's side
    autoencoder_width: int = 64
    channels: tuple[int, int, int] = (48, 96, 128)  # U-Net levels at the latent's size, a half and a quarter of it
    motion_width: int = 64  # of the motion tokens
    heads: int = 2  # of the attention to motion
    reference_width: int = 32  # of queries and keys of the reference attention
    pooled: int = 2  # cells of the latent a side that make one reference token below the finest level
