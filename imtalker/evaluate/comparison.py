"""A result beside its target, frame by frame: whole pictures at 256 and 512 pixels, the face, the mouth; and what
the first frame reaches when it simply stays, without which none of these numbers says much.
"""

from collections.abc import Callable, Sequence
from dataclasses import replace

import cv2
import numpy as np
import torch
from torch import Tensor

from imtalker.evaluate.face_metrics import finite_mean
from imtalker.evaluate.image_metrics import frames_to_tensor, masked_psnr, psnr, ssim, ssim_map
from imtalker.faces.landmarks import FaceLandmarks
from imtalker.faces.mesh import LIPS

SIZE = 256  # pixels, of the paper's comparisons and of everything that is measured in pictures
FINE_SIZE = 512  # pixels, of the comparison at the resolution people look at
FINE_EVERY = 5  # frames: the fine comparison costs four times the coarse one
_HIGHEST_PSNR = 100.0  # dB, stands for equal frames, whose PSNR is infinite
_MOUTH_MARGIN = 0.25  # of the lips' width, added to their box on all sides
_NUM_FACE = 468  # landmarks before the irises


def face_hull(face: FaceLandmarks, size: int) -> np.ndarray:
    """Pixels inside the outline of the landmarks, bool ``(size, size)``; the picture is ``size`` wide."""
    outline = cv2.convexHull(np.round(face.points[:_NUM_FACE, :2]).astype(np.int32))
    return cv2.fillConvexPoly(np.zeros((size, size), np.uint8), outline, (1,)).astype(bool)


def mouth_box(face: FaceLandmarks, size: int) -> np.ndarray:
    """Pixels of the box round the lips with a margin, bool ``(size, size)``."""
    lips = face.points[list(LIPS), :2]
    low, high = lips.min(0), lips.max(0)
    margin = _MOUTH_MARGIN * (high[0] - low[0])
    left, top = np.clip(np.floor(low - margin), 0, size).astype(int)
    right, bottom = np.clip(np.ceil(high + margin), 0, size).astype(int)
    box = np.zeros((size, size), bool)
    box[top:bottom, left:right] = True
    return box


def sharpness(picture: np.ndarray, mask: np.ndarray) -> float:
    """Mean absolute difference of neighbouring pixels of a uint8 ``(S, S, 3)`` inside a mask; NaN where it is empty."""
    grey = cv2.cvtColor(picture, cv2.COLOR_RGB2GRAY).astype(np.float32)
    if not mask.any():
        return float("nan")
    down, right = np.abs(np.diff(grey, axis=0))[:, :-1], np.abs(np.diff(grey, axis=1))[:-1]
    return float((down + right)[mask[:-1, :-1]].mean())


class Comparison:
    """Gathers the differences of a result to its target; the frames come in order, some at a time.

    Args:
        faces: the target's landmarks in pictures of ``SIZE`` pixels, a frame each.
        extra: further differences of pictures ``(T, 3, SIZE, SIZE)``, by key.
    """

    def __init__(
        self,
        faces: Sequence[FaceLandmarks | None],
        extra: dict[str, Callable[[Tensor, Tensor], np.ndarray]] | None = None,
    ) -> None:
        self._faces = faces
        self._extra = extra or {}
        self._parts: dict[str, list[np.ndarray]] = {}
        self._copies: dict[str, list[np.ndarray]] = {}
        self._first: tuple[np.ndarray, np.ndarray] | None = None
        self._count = 0

    def add(self, results: Sequence[np.ndarray], targets: Sequence[np.ndarray]) -> tuple[Tensor, Tensor]:
        """Frames uint8 ``(FINE_SIZE, FINE_SIZE, 3)`` of both; returns them at ``SIZE``, ``(T, 3, SIZE, SIZE)``."""
        fine = np.stack(results), np.stack(targets)
        if self._first is None:
            self._first = fine[1][0], _smaller(fine[1][0])
        small = np.stack([_smaller(f) for f in fine[0]]), np.stack([_smaller(f) for f in fine[1]])
        result, target = (frames_to_tensor(side, SIZE) for side in small)
        copy = frames_to_tensor(self._first[1][None], SIZE).expand_as(target)
        faces = self._faces[self._count : self._count + len(fine[0])]
        for found, picture in ((self._parts, result), (self._copies, copy)):
            self._note(found, picture, target, faces)
        for i, face in enumerate(faces):
            if (self._count + i) % FINE_EVERY == 0:
                self._note_fine(fine[0][i], fine[1][i], face)
        self._count += len(fine[0])
        return result, target

    def curves(self) -> dict[str, np.ndarray]:
        """The result's differences, by the keys of the catalogue; NaN where a frame has no value."""
        return {key: np.concatenate(parts) for key, parts in self._parts.items()}

    def copied(self) -> dict[str, float]:
        """The same for the target's first frame in place of the result, means over all frames but the first."""
        return {key: finite_mean(np.concatenate(parts)[1:]) for key, parts in self._copies.items()}

    def _note(
        self, found: dict[str, list[np.ndarray]], picture: Tensor, target: Tensor, faces: Sequence[FaceLandmarks | None]
    ) -> None:
        similarity = ssim_map(picture, target)
        values = {
            "psnr": _limited(psnr(picture, target)),
            "ssim": similarity.mean((1, 2)).double().numpy(),
        }
        for name, region in (("face", face_hull), ("mouth", mouth_box)):
            masks = [None if face is None else torch.from_numpy(region(face, SIZE)) for face in faces]
            values[f"psnr_{name}"] = _limited(
                np.array([_known(masked_psnr, a, b, m) for a, b, m in zip(picture, target, masks, strict=True)])
            )
            values[f"ssim_{name}"] = np.array(
                [
                    np.nan if m is None or not m.any() else float(s[m].mean())
                    for s, m in zip(similarity, masks, strict=True)
                ]
            )
        values |= {key: difference(picture, target) for key, difference in self._extra.items()}
        for key, value in values.items():
            found.setdefault(key, []).append(value)

    def _note_fine(self, result: np.ndarray, target: np.ndarray, face: FaceLandmarks | None) -> None:
        assert self._first is not None
        hull = None
        if face is not None:
            enlarged = replace(face, points=face.points * (FINE_SIZE / SIZE))
            hull = face_hull(enlarged, FINE_SIZE)
        wanted = frames_to_tensor(target[None], FINE_SIZE)
        for found, frame in ((self._parts, result), (self._copies, self._first[0])):
            picture = frames_to_tensor(frame[None], FINE_SIZE)
            values = {"psnr_512": _limited(psnr(picture, wanted)), "ssim_512": ssim(picture, wanted)}
            ratio = np.nan if hull is None else sharpness(frame, hull) / max(sharpness(target, hull), 1e-6)
            values["sharpness"] = np.array([ratio])
            for key, value in values.items():
                found.setdefault(key, []).append(value)


def _smaller(frame: np.ndarray) -> np.ndarray:
    return cv2.resize(frame, (SIZE, SIZE), interpolation=cv2.INTER_AREA)


def _limited(values: np.ndarray) -> np.ndarray:
    return np.minimum(values, _HIGHEST_PSNR)


def _known(difference: Callable[[Tensor, Tensor, Tensor], float], a: Tensor, b: Tensor, mask: Tensor | None) -> float:
    return float("nan") if mask is None or not mask.any() else difference(a, b, mask)
