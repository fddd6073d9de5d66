"""Sync-C and Sync-D by SyncNet (Chung and Zisserman 2016; protocol of Prajwal et al. 2020), when its weights are given.

The network compares five frames of a face with 0.2 s of sound. Weights: the public ``syncnet_v2.model``. Faces are
cut by landmarks here, by S3FD tracks in the literature, so values differ a little from published ones.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import torch
from torch import Tensor, nn

from imtalker.config import FRAME_RATE, SAMPLE_RATE
from imtalker.errors import WeightsError
from imtalker.faces.landmarks import FaceLandmarks

MAX_SHIFT = 15  # frames tried on both sides
_FACE_SIZE = 224  # pixels
_FRAMES = 5  # in one look at the lips
_CEPSTRA_PER_FRAME = 4  # 100 a second
_FEATURES = 1024
_BATCH = 20


@dataclass(frozen=True)
class SyncNetScore:
    """How well lips and sound agree for SyncNet."""

    confidence: float  # Sync-C: median distance over all shifts minus the smallest; higher is better
    distance: float  # Sync-D: smallest mean distance; lower is better
    shift: int  # frames by which the sound has to be moved


Size = int | tuple[int, ...]


def _convolution(
    dimensions: int, inputs: int, outputs: int, kernel: Size, stride: Size = 1, padding: Size = 0
) -> list[nn.Module]:
    convolution: Any = (nn.Conv2d, nn.Conv3d)[dimensions - 2]
    norm = (nn.BatchNorm2d, nn.BatchNorm3d)[dimensions - 2]
    return [convolution(inputs, outputs, kernel, stride, padding), norm(outputs), nn.ReLU()]


def _head() -> nn.Sequential:
    return nn.Sequential(nn.Linear(512, 512), nn.BatchNorm1d(512), nn.ReLU(), nn.Linear(512, _FEATURES))


class SyncNet(nn.Module):
    """The two towers; modules are named as in the public weights."""

    def __init__(self) -> None:
        super().__init__()
        flat, wide = (0, 1, 1), (1, 3, 3)
        self.netcnnaud = nn.Sequential(
            *_convolution(2, 1, 64, 3, padding=1),
            nn.Identity(),  # a pooling of 1x1 in the public network
            *_convolution(2, 64, 192, 3, padding=1),
            nn.MaxPool2d(3, (1, 2)),
            *_convolution(2, 192, 384, 3, padding=1),
            *_convolution(2, 384, 256, 3, padding=1),
            *_convolution(2, 256, 256, 3, padding=1),
            nn.MaxPool2d(3, 2),
            *_convolution(2, 256, 512, (5, 4)),
        )
        self.netcnnlip = nn.Sequential(
            *_convolution(3, 3, 96, (5, 7, 7), (1, 2, 2)),
            nn.MaxPool3d(wide, (1, 2, 2)),
            *_convolution(3, 96, 256, (1, 5, 5), (1, 2, 2), flat),
            nn.MaxPool3d(wide, (1, 2, 2), flat),
            *_convolution(3, 256, 256, wide, padding=flat),
            *_convolution(3, 256, 256, wide, padding=flat),
            *_convolution(3, 256, 256, wide, padding=flat),
            nn.MaxPool3d(wide, (1, 2, 2)),
            *_convolution(3, 256, 512, (1, 6, 6)),
        )
        self.netfcaud, self.netfclip = _head(), _head()

    def sound(self, cepstra: Tensor) -> Tensor:
        """(B,1,13,20) cepstra -> (B,1024)."""
        return self.netfcaud(self.netcnnaud(cepstra).flatten(1))

    def lips(self, faces: Tensor) -> Tensor:
        """(B,3,5,224,224) BGR in 0..255 -> (B,1024)."""
        return self.netfclip(self.netcnnlip(faces).flatten(1))

    @torch.inference_mode()
    def score(self, faces: np.ndarray, waveform: np.ndarray) -> SyncNetScore | None:
        """Score a clip; None when it is shorter than half a second.

        Args:
            faces: uint8 RGB (T,224,224,3), see ``cut_face``.
            waveform: (N,) at 16 kHz.
        """
        count = min(len(faces), len(waveform) * FRAME_RATE // SAMPLE_RATE) - _FRAMES
        if count < FRAME_RATE // 2:
            return None
        images = torch.from_numpy(np.ascontiguousarray(faces[..., ::-1])).permute(3, 0, 1, 2)
        sound = torch.from_numpy(cepstra(waveform)).float().T[None]
        lips, voice = [], []
        for start in range(0, count, _BATCH):
            frames = range(start, min(start + _BATCH, count))
            lips.append(self.lips(torch.stack([images[:, i : i + _FRAMES] for i in frames]).float()))
            length = _FRAMES * _CEPSTRA_PER_FRAME
            pieces = [sound[:, :, i * _CEPSTRA_PER_FRAME :][:, :, :length] for i in frames]
            voice.append(self.sound(torch.stack(pieces)))
        return score_features(torch.cat(lips), torch.cat(voice))


def load_syncnet(path: Path) -> SyncNet:
    """The network with its public weights.

    Raises:
        WeightsError: the file is missing or does not fit.
    """
    if not path.is_file():
        raise WeightsError(f"SyncNet's weights {path} do not exist")
    network = SyncNet()
    try:
        network.load_state_dict(torch.load(path, map_location="cpu", weights_only=True))
    except (RuntimeError, AttributeError, TypeError) as error:
        raise WeightsError(f"{path} does not fit SyncNet: {str(error).splitlines()[0]}") from error
    return network.eval().requires_grad_(False)


def score_features(lips: Tensor, sound: Tensor, max_shift: int = MAX_SHIFT) -> SyncNetScore:
    """Compare features (T,D) of lips and sound at all shifts; beyond the ends the sound is zeros."""
    padded = nn.functional.pad(sound, (0, 0, max_shift, max_shift))
    windows = padded.unfold(0, 2 * max_shift + 1, 1).transpose(1, 2)  # (T, shifts, D)
    distances = (lips[:, None] - windows + 1e-6).norm(dim=-1).mean(0)
    best = int(distances.argmin())
    smallest = float(distances[best])
    return SyncNetScore(float(distances.median()) - smallest, smallest, max_shift - best)


def cut_face(frame: np.ndarray, face: FaceLandmarks, half: float | None = None) -> np.ndarray:
    """The square SyncNet is used to: uint8 RGB (224,224,3), the face in its upper part.

    Args:
        half: half the side of the face's box, pixels; the face's own by default. A clip is calmer with one for all.
    """
    left, top, right, bottom = face.box
    reach = float(max(right - left, bottom - top)) / 2 if half is None else half
    center = ((left + right) / 2, (top + bottom) / 2)
    scale = _FACE_SIZE / (2.8 * reach)  # 40 % more than the box on each side, all of it below
    shift = [_FACE_SIZE / 2 - scale * center[0], scale * reach - scale * center[1]]
    transform = np.array([[scale, 0, shift[0]], [0, scale, shift[1]]])
    size = (_FACE_SIZE, _FACE_SIZE)
    return cv2.warpAffine(frame, transform, size, borderMode=cv2.BORDER_CONSTANT, borderValue=(110, 110, 110))


def cut_faces(frames: Sequence[np.ndarray], faces: Sequence[FaceLandmarks | None]) -> np.ndarray | None:
    """All faces of a clip at one size, (T,224,224,3); where one is missing the one before is used; None without any."""
    known = [face for face in faces if face is not None]
    if not known:
        return None
    half = float(np.median([max(face.box[2:] - face.box[:2]) for face in known])) / 2
    last, pictures = known[0], []
    for frame, face in zip(frames, faces, strict=True):
        last = face or last
        pictures.append(cut_face(frame, last, half))
    return np.stack(pictures)


def cepstra(waveform: np.ndarray) -> np.ndarray:
    """Mel-frequency cepstra as SyncNet was trained on: (N,) at 16 kHz in [-1,1] -> (T,13), 100 a second.

    26 triangular filters on 512 points, windows of 25 ms without a taper, pre-emphasis 0.97, liftered by 22;
    the first coefficient is the log energy.
    """
    signal = waveform.astype(np.float64) * 32768
    signal = np.append(signal[:1], signal[1:] - 0.97 * signal[:-1])
    length, step = SAMPLE_RATE * 25 // 1000, SAMPLE_RATE // 100
    count = 1 + max(0, -(-(len(signal) - length) // step))
    signal = np.pad(signal, (0, max(0, (count - 1) * step + length - len(signal))))
    windows = np.lib.stride_tricks.sliding_window_view(signal, length)[::step][:count]
    power = np.abs(np.fft.rfft(windows, 512)) ** 2 / 512
    tiny = np.finfo(float).eps
    energies = np.log(np.maximum(power @ _mel_filters().T, tiny))
    order, position = np.arange(13)[:, None], np.arange(26) + 0.5
    transform = np.cos(np.pi * order * position / 26) * np.sqrt(2 / 26)  # the zeroth row is replaced below
    result = energies @ transform.T * (1 + 11 * np.sin(np.pi * np.arange(13) / 22))
    result[:, 0] = np.log(np.maximum(power.sum(1), tiny))
    return result


def _mel_filters() -> np.ndarray:
    """(26,257) triangles, evenly spaced on the mel scale from 0 to 8 kHz."""
    mels = np.linspace(0, 2595 * np.log10(1 + SAMPLE_RATE / 2 / 700), 28)
    edges = np.floor(513 * 700 * (10 ** (mels / 2595) - 1) / SAMPLE_RATE)
    low, middle, high = edges[:-2, None], edges[1:-1, None], edges[2:, None]
    bins = np.arange(257)
    rising, falling = (bins - low) / (middle - low), (high - bins) / (high - middle)
    return np.where(bins < middle, np.clip(rising, 0, 1), np.clip(falling, 0, 1))
