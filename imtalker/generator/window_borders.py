"""Windows of motion that meet without a jump: the offset at the border fades out of the new window.

A window is sampled with the frames before it as context, but from noise of its own: its head may begin elsewhere
than the context ends. As in the inertial blending of game animation (Bollo, "Inertialization", GDC 2018), place
and speed go on at the border, and what differs decays smoothly.
"""

import torch
from torch import Tensor

from imtalker.generator.motion_layout import GAZE_CHANNELS

FADE_FRAMES = 25  # 1 s: a head that was a few degrees off returns at a pace that heads have


def fade(num_frames: int, length: int) -> Tensor:
    """(length,) from 1 just before the window to 0 after ``num_frames``, without slope at either end."""
    t = ((torch.arange(length) + 1) / (num_frames + 1)).clamp(max=1)
    return 1 - t**3 * (10 - 15 * t + 6 * t**2)


def continue_motion(window: Tensor, context: Tensor) -> Tensor:
    """The window's motion ``(B, W, 32)`` with head and eyes going on where ``context (B, C, 32)``, C > 1, ends.

    For motion with named channels. Lips and lids are left as they are: the speech keeps them together.
    """
    named = slice(0, GAZE_CHANNELS.stop)
    own, last = window[..., named], context[:, -1:, named]
    # Where the window would have been one frame earlier, at the mean of the two speeds.
    step = (own[:, 1:2] - own[:, :1] + last - context[:, -2:-1, named]) / 2
    offset = last - (own[:, :1] - step)
    moved = own + offset * fade(FADE_FRAMES, window.shape[1]).to(window)[:, None]
    return torch.cat([moved, window[..., named.stop :]], dim=-1)
