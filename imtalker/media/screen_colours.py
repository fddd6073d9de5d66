"""The colours of everything this package writes: 8-bit 4:2:0 in BT.709 with limited range, and tagged so."""

import numpy as np
from av.video.codeccontext import VideoCodecContext
from av.video.frame import VideoFrame

BT709 = 1  # H.273 code point of the colour space, primaries and transfer
LIMITED = 1  # range 16..235


def tag(context: VideoCodecContext) -> None:
    """Let a video say which colours it has; players guess by its size otherwise."""
    context.colorspace = context.color_primaries = context.color_trc = BT709
    context.color_range = LIMITED


def to_yuv420(picture: np.ndarray) -> VideoFrame:
    """uint8 RGB ``(H, W, 3)`` with even sides -> a frame for the encoder."""
    frame = VideoFrame.from_ndarray(np.ascontiguousarray(picture), format="rgb24")
    return frame.reformat(format="yuv420p", dst_colorspace="ITU709", dst_color_range="MPEG")
