"""Windows of motion that meet without a jump: the offset at the border fades out of the new window.

A window is sampled with the frames before it as context, but from noise of its own: its head may begin elsewhere
than the context ends, and hurries from there to its own way within the first frames. As in the inertial blending of
game animation (Bollo, "Inertialization", GDC 2018), place and speed go on at the border, and what differs decays
smoothly; of the window's head the way is taken, led back to the border, without the hurry.
"""

import torch
from torch import Tensor

from imtalker.generator.motion_layout import GAZE_CHANNELS

FADE_FRAMES = 25  # 1 s: a head that was a few degrees off returns at a pace that heads have
FACE_FADE_FRAMES = 2  # speech keeps the face together: what differs is little, and lips must not be late
HURRY_FRAMES = 5  # of a window, in which its head comes from the context's end to its own way
PACE_FRAMES = 5  # after them, which tell how fast it goes


def fade(num_frames: int, length: int) -> Tensor:
    """(length,) from 1 just before the window to 0 after ``num_frames``, without slope at either end."""
    t = ((torch.arange(length) + 1) / (num_frames + 1)).clamp(max=1)
    return 1 - t**3 * (10 - 15 * t + 6 * t**2)


def continue_motion(window: Tensor, context: Tensor) -> Tensor:
    """The window's motion ``(B, W, 32)`` going on where ``context (B, C, 32)``, C > 1, ends.

    For motion with named channels. Head and eyes pass over slowly, the face within a few frames.
    """
    named = slice(0, GAZE_CHANNELS.stop)
    head, face = window[..., named], window[..., named.stop :]
    return torch.cat(
        [
            _continued(_led_back(head), context[..., named], FADE_FRAMES),
            _continued(face, context[..., named.stop :], FACE_FADE_FRAMES),
        ],
        dim=-1,
    )


def _continued(window: Tensor, context: Tensor, num_frames: int) -> Tensor:
    last = context[:, -1:]
    # Where the window would have been one frame earlier, at the mean of the two speeds.
    step = (window[:, 1:2] - window[:, :1] + last - context[:, -2:-1]) / 2
    offset = last - (window[:, :1] - step)
    return window + offset * fade(num_frames, window.shape[1]).to(window)[:, None]


def _led_back(head: Tensor) -> Tensor:
    """The first frames as if the window had always been on its way; windows too short to tell stay as they are."""
    begin, end = HURRY_FRAMES, HURRY_FRAMES + PACE_FRAMES
    if head.shape[1] <= end:
        return head
    pace = (head[:, end : end + 1] - head[:, begin : begin + 1]) / PACE_FRAMES
    frames = torch.arange(-begin, 0).to(head)[:, None]
    return torch.cat([head[:, begin : begin + 1] + frames * pace, head[:, begin:]], dim=1)
