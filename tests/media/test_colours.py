"""Colours of clips: the same picture comes out whatever matrix, range, depth and transfer it was stored in."""

from fractions import Fraction

import av
import numpy as np
import pytest
from av.video.frame import VideoFrame
from av.video.reformatter import ColorRange, Colorspace

from imtalker.media.hdr import BT2020, GAMMA, HLG, HLG_GAMMA, HLG_PEAK, KNEE, P3, PQ, TO_BT709, WHITE, to_screen
from imtalker.media.video import read_frames

PATCHES = np.array([[200, 40, 40], [40, 180, 60], [50, 60, 190], [210, 170, 140], [90, 70, 60], [128, 128, 128]])


def chart(height: int = 96, width: int = 192) -> np.ndarray:
    """Patches of colour, uint8 RGB."""
    picture = np.zeros((height, width, 3), np.uint8)
    for index, patch in enumerate(PATCHES):
        picture[:, index * width // 6 : (index + 1) * width // 6] = patch
    return picture


def patches(frame: np.ndarray) -> np.ndarray:
    """The colours of the patches, in their middles."""
    width = frame.shape[1] // 6
    return np.array([frame[10:-10, i * width + 8 : (i + 1) * width - 8].mean((0, 1)) for i in range(6)])


def write(path, frame: VideoFrame, codec: str, **tags) -> None:
    with av.open(str(path), "w") as container:
        stream = container.add_stream(codec, rate=25, options={"crf": "4", "x265-params": "log-level=none"})
        stream.width, stream.height, stream.pix_fmt = frame.width, frame.height, frame.format.name
        for name, value in tags.items():
            setattr(stream.codec_context, name, value)
        for index in range(3):
            frame.pts, frame.time_base = index, Fraction(1, 25)
            container.mux(stream.encode(frame))
        container.mux(stream.encode(None))


@pytest.mark.parametrize("codec", ["libx264", "libx265", "libvpx-vp9"])
@pytest.mark.parametrize("full", [False, True])
@pytest.mark.parametrize(("matrix", "tag"), [(Colorspace.ITU709, 1), (Colorspace.ITU601, 6)])
def test_matrix_and_range_follow_the_tags(tmp_path, codec, full, matrix, tag):
    reach = ColorRange.JPEG if full else ColorRange.MPEG
    frame = VideoFrame.from_ndarray(chart(), format="rgb24")
    frame = frame.reformat(format="yuv420p", dst_colorspace=matrix, dst_color_range=reach)
    frame.color_range = reach
    write(tmp_path / "v.mp4", frame, codec, colorspace=tag, color_range=int(reach))
    found = patches(next(read_frames(tmp_path / "v.mp4")))
    assert np.abs(found - PATCHES).max() < 6


@pytest.mark.parametrize(("size", "matrix"), [((96, 192), Colorspace.ITU601), ((720, 1284), Colorspace.ITU709)])
def test_untagged_clips_are_taken_as_players_do(tmp_path, size, matrix):
    frame = VideoFrame.from_ndarray(chart(*size), format="rgb24")
    write(tmp_path / "v.mp4", frame.reformat(format="yuv420p", dst_colorspace=matrix), "libx264")
    assert np.abs(patches(next(read_frames(tmp_path / "v.mp4"))) - PATCHES).max() < 6


def test_ten_bits_and_full_chroma(tmp_path):
    frame = VideoFrame.from_ndarray(chart(), format="rgb24")
    frame = frame.reformat(format="yuv444p10le", dst_colorspace=Colorspace.ITU709)
    write(tmp_path / "v.mp4", frame, "libx265", colorspace=1)
    assert np.abs(patches(next(read_frames(tmp_path / "v.mp4"))) - PATCHES).max() < 4


def encoded(colours: np.ndarray, transfer: int, primaries: int) -> np.ndarray:
    """Colours of a screen (0..1) as an HDR or wide camera writes them: the inverse of what is tested."""
    light = (colours**GAMMA) @ np.linalg.inv(TO_BT709[primaries]).T
    if transfer == PQ:
        m1, m2, c1, c2, c3 = 2610 / 16384, 2523 / 32, 3424 / 4096, 2413 / 128, 2392 / 128
        power = (np.maximum(light, 0) * WHITE / 10_000) ** m1
        return ((c1 + c2 * power) / (1 + c3 * power)) ** m2
    if transfer == HLG:
        shown = light * WHITE / HLG_PEAK
        luminance = shown @ np.array([[0.2627], [0.6780], [0.0593]])
        scene = np.maximum(shown * np.maximum(luminance, 1e-9) ** (1 / HLG_GAMMA - 1), 0)
        curve = 0.17883277 * np.log(np.maximum(12 * scene - 0.28466892, 1e-9)) + 0.55991073
        return np.where(scene <= 1 / 12, np.sqrt(3 * scene), curve)
    return np.maximum(light, 0) ** (1 / GAMMA)


KINDS = [(PQ, BT2020), (HLG, BT2020), (1, BT2020), (1, P3), (HLG, P3)]


@pytest.mark.parametrize(("transfer", "primaries"), KINDS)
def test_conversion_undoes_the_encoding(transfer, primaries):
    rng = np.random.default_rng(0)
    colours = rng.random((500, 3)) * (KNEE ** (1 / GAMMA) - 0.02)
    assert np.abs(to_screen(encoded(colours, transfer, primaries), transfer, primaries) - colours).max() < 0.01


@pytest.mark.parametrize("transfer", [PQ, HLG])
def test_highlights_are_rolled_off_in_order(transfer):
    grey = np.linspace(0, 1, 200)[:, None].repeat(3, axis=1)
    shown = to_screen(grey, transfer, BT2020)
    assert (np.diff(shown.max(axis=1)) >= 0).all() and 0.9 < shown.max() <= 1.0
    assert np.ptp(shown, axis=1).max() < 0.01  # grey stays grey


@pytest.mark.parametrize(("transfer", "primaries"), KINDS)
def test_hdr_clips_look_like_their_sdr_original(tmp_path, transfer, primaries):
    colours = encoded(chart() / 255.0, transfer, primaries)
    deep = VideoFrame.from_ndarray(np.round(colours.clip(0, 1) * 65535).astype(np.uint16), format="rgb48le")
    matrix = 9 if primaries == BT2020 else 1
    frame = deep.reformat(format="yuv444p10le", dst_colorspace=matrix)
    tags = {"colorspace": matrix, "color_trc": transfer, "color_primaries": primaries, "color_range": 1}
    write(tmp_path / "v.mp4", frame, "libx265", **tags)
    frames = list(read_frames(tmp_path / "v.mp4"))
    assert len(frames) == 3 and np.abs(patches(frames[0]) - PATCHES).max() < 10
    assert frames[0].std() == pytest.approx(chart().std(), rel=0.05)
    assert not list(tmp_path.glob("*.cube"))
