"""Every number the evaluation reports: what it is, which way is better, where it comes from, what the paper has."""

from dataclasses import dataclass
from typing import Literal

Mode = Literal["self", "cross", "audio"]
MODES: tuple[Mode, ...] = ("self", "cross", "audio")

PROTOCOLS: dict[Mode, str] = {
    "self": "The first frame of each clip is moved like the clip itself and compared with it frame by frame.",
    "cross": "Each clip moves the person of the next clip (first frame); motion is compared with the driver, "
    "identity with the person.",
    "audio": "The first frame of each clip speaks the clip's sound; the result is compared with the clip.",
}

OUR_NETWORKS = "not comparable with the paper: measured with other networks"
OTHER_DATA = "same formula as the paper, other clips"
NOT_IN_PAPER = "not in the paper"


@dataclass(frozen=True)
class Metric:
    """One column of the tables."""

    key: str
    title: str
    unit: str
    better: Literal["higher", "lower", "none"]
    lowest: float
    highest: float | None  # None: no limit
    definition: str
    source: str
    modes: tuple[Mode, ...]
    note: str  # how it stands to the paper's number
    digits: int = 3
    per_clip: bool = True  # False: one value for the whole set


def _metric(key: str, title: str, unit: str, better: Literal["higher", "lower", "none"], limits: tuple, *rest, **more):
    return Metric(key, title, unit, better, limits[0], limits[1], *rest, **more)


# fmt: off
METRICS: tuple[Metric, ...] = (
    _metric("psnr", "PSNR", "dB", "higher", (0, None),
            "10 log10 of 1 / mean squared difference to the recorded frame, at 256x256",
            "classic", ("self",), OTHER_DATA, digits=2),
    _metric("ssim", "SSIM", "", "higher", (-1, 1), "structural similarity to the recorded frame, 11x11 window",
            "Wang et al. 2004", ("self", "audio"), OTHER_DATA),
    _metric("psnr_face", "PSNR face", "dB", "higher", (0, None),
            "the same over the hull of the recorded face's landmarks", "classic", ("self",), NOT_IN_PAPER, digits=2),
    _metric("ssim_face", "SSIM face", "", "higher", (-1, 1),
            "structural similarity averaged over the hull of the recorded face's landmarks",
            "Wang et al. 2004", ("self",), NOT_IN_PAPER),
    _metric("psnr_mouth", "PSNR mouth", "dB", "higher", (0, None),
            "PSNR over the box round the recorded lips, a quarter of their width added on all sides",
            "classic", ("self",), NOT_IN_PAPER, digits=2),
    _metric("ssim_mouth", "SSIM mouth", "", "higher", (-1, 1),
            "structural similarity averaged over the same box", "Wang et al. 2004", ("self",), NOT_IN_PAPER),
    _metric("psnr_512", "PSNR 512 px", "dB", "higher", (0, None),
            "PSNR to the recorded frame at 512x512, every fifth frame", "classic", ("self",), NOT_IN_PAPER, digits=2),
    _metric("ssim_512", "SSIM 512 px", "", "higher", (-1, 1),
            "structural similarity at 512x512, every fifth frame", "Wang et al. 2004", ("self",), NOT_IN_PAPER),
    _metric("sharpness", "sharpness 512 px", "", "none", (0, None),
            "differences of neighbouring pixels of the face at 512x512, in those of the recorded face: 1 is as sharp",
            "this project", ("self",), NOT_IN_PAPER, digits=2),
    _metric("lpips", "LPIPS", "", "lower", (0, None), "distance of AlexNet features to the recorded frame, weighted",
            "Zhang et al. 2018", ("self", "audio"), OTHER_DATA),
    _metric("fid", "FID", "", "lower", (0, None), "Frechet distance of Inception features of all frames",
            "Heusel et al. 2017", ("self", "cross", "audio"), OTHER_DATA, per_clip=False),
    _metric("fvd", "FVD", "", "lower", (0, None), "Frechet distance of I3D features of windows of 16 frames",
            "Unterthiner et al. 2018", ("audio",), OTHER_DATA, per_clip=False),
    _metric("sync_c", "Sync-C", "", "higher", (0, None), "confidence of SyncNet in the best offset",
            "Prajwal et al. 2020", ("audio",), OTHER_DATA),
    _metric("sync_d", "Sync-D", "", "lower", (0, None), "distance of SyncNet's features at the best offset",
            "Prajwal et al. 2020", ("audio",), OTHER_DATA),
    _metric("csim", "CSIM", "", "higher", (-1, 1), "cosine of identity embeddings (SFace) with the source picture",
            "Deng et al. 2019 with ArcFace", ("self", "cross", "audio"), OUR_NETWORKS),
    _metric("aed", "AED", "", "lower", (0, 1), "mean absolute difference of 51 blendshapes to the clip",
            "Siarohin et al. 2019 with a 3DMM", ("self", "cross"), OUR_NETWORKS),
    _metric("apd", "APD", "deg", "lower", (0, 180), "mean absolute difference of yaw, pitch and roll to the clip",
            "Siarohin et al. 2019 with a 3DMM", ("self", "cross"), OUR_NETWORKS, digits=2),
    _metric("gaze_mae", "gaze MAE", "deg", "lower", (0, 180), "mean angle between the gaze and that of the clip",
            "Doukas et al. 2021 with L2CS-Net", ("self", "cross"), OUR_NETWORKS, digits=2),
    _metric("gaze_correlation", "gaze correlation", "", "higher", (-1, 1),
            "correlation of the gaze in the head with that of the clip, mean of both axes",
            "this project", ("self", "cross"), NOT_IN_PAPER),
    _metric("lid_correlation", "lid correlation", "", "higher", (-1, 1),
            "correlation of the lids' opening with that of the clip",
            "this project", ("self", "cross"), NOT_IN_PAPER),
    _metric("lmd", "LMD mouth", "mm", "lower", (0, None),
            "mean distance of 40 lip landmarks to those of the clip, heads aligned, on a face of average size",
            "Chen et al. 2018", ("self", "audio"), NOT_IN_PAPER, digits=2),
    _metric("lip_offset", "lip offset", "ms", "lower", (0, 600),
            "size of the delay between the mouth's opening and the openness of the phonemes heard",
            "this project; stands in for Sync-D", ("audio",), NOT_IN_PAPER, digits=0),
    _metric("lip_correlation", "lip correlation", "", "higher", (-1, 1),
            "correlation of the mouth's opening with the openness of the phonemes, undelayed",
            "this project; stands in for Sync-C", ("audio",), NOT_IN_PAPER),
    _metric("lip_confidence", "lip confidence", "", "higher", (0, 2),
            "correlation at the best delay minus its median over delays of +-0.6 s",
            "after SyncNet's confidence, Chung and Zisserman 2016", ("audio",), NOT_IN_PAPER),
    _metric("closure_rate", "closure rate", "", "higher", (0, 1),
            "share of the p, b, m heard at which the lips are seen closed within 80 ms",
            "after Agarwal et al. 2020", ("audio",), NOT_IN_PAPER),
    _metric("av_offset", "sound set right", "ms", "none", (-600, 600),
            "delay given to the recording's sound before anything is compared, where its offset could be told",
            "after Chung and Zisserman 2016", ("audio",), NOT_IN_PAPER, digits=0),
    _metric("flicker", "background flicker", "levels", "lower", (0, 255),
            "mean change of the background from frame to frame, of 255 grey levels",
            "after VBench's temporal flickering", ("self", "cross", "audio"), NOT_IN_PAPER, digits=2),
    _metric("jitter", "landmark jitter", "%", "lower", (0, None),
            "root mean square distance of landmarks from their smooth path, of the distance of the eyes",
            "this project", ("self", "cross", "audio"), NOT_IN_PAPER, digits=2),
    _metric("ghost_cells", "ghost cells", "%", "lower", (0, 100),
            "share of the cells that guide the renderer which lie further than 2 cells from their local median: dots, "
            "rings, eyes where none belong", "this project", ("self", "cross", "audio"), NOT_IN_PAPER),
    _metric("head_range", "head range", "deg", "none", (0, 360),
            "mean spread (5th to 95th percentile) of yaw, pitch and roll",
            "this project", ("self", "cross", "audio"), NOT_IN_PAPER, digits=1),
    _metric("frames_per_second", "speed", "frames/s", "higher", (0, None),
            "frames per second of the whole run without measuring",
            "this project", ("self", "cross", "audio"),
            "the paper: 40 (video) and 42 (audio) at 512x512 on an RTX 4090", digits=2),
    _metric("first_frame", "first frame", "s", "lower", (0, None), "time from the start to the first finished frame",
            "this project", ("self", "cross", "audio"), NOT_IN_PAPER, digits=2),
)
# fmt: on

# IMTalker on HDTF (tables 1 and 2 of the paper).
PAPER: dict[Mode, dict[str, float]] = {
    "self": {"psnr": 28.458, "ssim": 0.899, "lpips": 0.037, "csim": 0.898, "fid": 7.426},
    "cross": {"aed": 0.581, "apd": 0.024, "gaze_mae": 7.553, "csim": 0.824, "fid": 53.137},
    "audio": {
        "fid": 9.084,
        "fvd": 143.623,
        "sync_c": 7.711,
        "sync_d": 7.794,
        "csim": 0.869,
        "ssim": 0.665,
        "lpips": 0.141,
    },
}


def metrics_of(mode: Mode) -> tuple[Metric, ...]:
    """The metrics of a protocol, in the order of its table."""
    return tuple(metric for metric in METRICS if mode in metric.modes)
