"""The engine that completes a masked mouth (IMGTalk, stage 2): what a frame shows there has no influence at all.

References come into line with each frame by their landmarks; the network completes the patch and says where they may
stay. Lips, and what is seen between them, stay in any case: those of frames whose mouth is as far open and as wide as
asked for, where the clip has some, else those of a mouth at rest, between which teeth are painted. What stays is
sampled from the reference's own picture at full resolution; only what is drawn has the patch's.
"""

from collections.abc import Callable, Generator
from dataclasses import dataclass, replace
from pathlib import Path
from weakref import WeakKeyDictionary

import cv2
import numpy as np
import torch
from torch import Tensor

from imtalker.dubbing.blending import FEATHER_CM
from imtalker.dubbing.completion.alignment import INNER_LIPS, OUTER_LIPS, Reference, alignments, looked_up
from imtalker.dubbing.completion.conditions import motion_numbers
from imtalker.dubbing.completion.config import CompletionConfig
from imtalker.dubbing.completion.fine_tuning import fine_tuned
from imtalker.dubbing.completion.mouth_patch import (
    PATCH_CM,
    apply,
    cut_patch,
    hidden_part,
    in_patch,
    inverse,
    lips_map,
    opening_map,
    patch_to_image,
    taken_over,
)
from imtalker.dubbing.completion.network import CompletionNetwork
from imtalker.dubbing.completion.network_input import NetworkInput
from imtalker.dubbing.engine import Patch
from imtalker.dubbing.lips import onto_clip
from imtalker.dubbing.mouth_choice import chosen_mouths
from imtalker.dubbing.mouth_painting import MouthPainter, PaintedInside
from imtalker.dubbing.references import References
from imtalker.dubbing.renderer_engine import rest_distances, soft_choice
from imtalker.dubbing.rest_frames import OpenFrame
from imtalker.dubbing.source_frame import SourceFrame
from imtalker.dubbing.tracking import FaceTrack
from imtalker.errors import InputError
from imtalker.faces.motion_reading import MotionBasis
from imtalker.generator.motion_layout import HEAD_CHANNELS
from imtalker.media.planes import between, times
from imtalker.pipeline.rendering import to_tensor
from imtalker.weights.file import load_module


@dataclass(frozen=True, eq=False)
class _Job:
    """What is known of one frame before the network has seen it."""

    source: np.ndarray  # (S, S, 3) uint8 patch
    hidden: np.ndarray  # (S, S) bool
    opening: np.ndarray  # (S, S) float32
    lips: np.ndarray  # (S, S) float32 in 0..1, the lips and what is between them
    references: np.ndarray  # (R, S, S, 3) uint8 aligned
    kept: list[list[tuple[float, Reference, np.ndarray]]]  # of each reference: shares, frames and their alignments
    to_image: np.ndarray  # (2, 3) from pixel indices of the patch
    lower: np.ndarray  # (K, 2) float32 landmarks as drawn, pixels of the picture
    shown: float  # 0..1, how far the second reference shows the mouth that is asked for


class CompletionEngine:
    """A ``MouthEngine`` on a trained completion network.

    Args:
        basis: how landmarks follow from the motion; with it the inside of the mouth is painted between the lips.
    """

    def __init__(self, network: CompletionNetwork, basis: MotionBasis | None = None):
        self._network = network.eval()
        self._side = network.config.patch_size
        self._like = next(network.parameters())
        self._known: WeakKeyDictionary[SourceFrame | OpenFrame, Reference] = WeakKeyDictionary()
        self._basis = basis
        self._painter = None if basis is None else MouthPainter(basis, self._like.device)

    @classmethod
    def load(
        cls, path: str | Path, device: torch.device | str = "cpu", basis: MotionBasis | None = None
    ) -> "CompletionEngine":
        """The engine with the weights that ``imtalker train-completion`` wrote.

        Raises:
            WeightsError: missing or damaged file.
        """
        network, _, _ = load_module(path, CompletionConfig, CompletionNetwork)
        return cls(_placed(network.to(device)), basis)

    @torch.inference_mode()
    def draw(
        self, frames: list[np.ndarray], landmarks: FaceTrack, motion: Tensor, references: References
    ) -> list[Patch]:
        """See ``MouthEngine.draw``.

        Raises:
            InputError: there is no frame with the mouth at rest to draw from.
        """

        def patch(row: int) -> np.ndarray:
            return cut_patch(frames[row], landmarks.to_image[row], landmarks.turn[row], self._side)

        shares = soft_choice(rest_distances(landmarks, _with_rest(references)))
        jobs = self._jobs(patch, shares, landmarks, motion, references)
        patches = list(map(_finished, frames, jobs, self._layers(jobs, landmarks, motion)))
        if self._painter is not None:
            unseen = np.array([[1 - job.shown] for job in jobs])
            self._paint_insides(patches, self._painter, shares * unseen, landmarks, motion, references)
        return patches

    @property
    def patch_size(self) -> int:
        """Side of the patches, pixels."""
        return self._side

    def tuned(
        self, patches: np.ndarray, landmarks: FaceTrack, references: References, steps: int
    ) -> Generator[int, None, "CompletionEngine"]:
        """An engine whose network has gone on learning for some steps from a person's own mouths; see ``fine_tuned``.

        This engine and its network stay as they are. Yields the steps done.

        Args:
            patches: ``(n, S, S, 3)`` uint8 as ``cut_patch`` gives them.
            landmarks: n rows; the motion in it is what the mouths do.
            references: see ``draw``. Their mouths are left out, since a frame would be restored from itself.
        """
        references = replace(references, mouths=())
        motion = torch.from_numpy(landmarks.motion)
        shares = soft_choice(rest_distances(landmarks, _with_rest(references)))
        examples = self._input(
            self._jobs(patches.__getitem__, shares, landmarks, motion, references), landmarks, motion
        )
        network = yield from fine_tuned(self._network, examples, steps)
        return CompletionEngine(_placed(network.to(self._like)), self._basis)

    def _jobs(
        self,
        patch: Callable[[int], np.ndarray],
        shares: np.ndarray,
        landmarks: FaceTrack,
        motion: Tensor,
        references: References,
    ) -> list[_Job]:
        """What is known of every row before the network has seen it; ``patch`` cuts it from its frame."""
        rest = {i: self._prepared(references.rest[i], references.rest_motion[i]) for i in np.flatnonzero(shares.any(0))}
        asked = {i: reference.asked(motion, landmarks.turn) for i, reference in rest.items()}
        opened = next(iter(rest.values()))
        if references.open is not None:
            opened = self._prepared(references.open, references.open_motion)
        choice = chosen_mouths(landmarks, motion, references)
        mouths = {
            i: self._prepared(references.mouths[i], references.mouth_motion[i])
            for i in np.flatnonzero(choice.shares.any(0))
        }

        def job(row: int) -> _Job:
            place, turn, shown = landmarks.to_image[row], landmarks.turn[row], float(choice.shown[row])
            sources = [(float(shares[row, i]), rest[i], asked[i][row]) for i in np.flatnonzero(shares[row])]
            likest = [(float(choice.shares[row, i]), mouths[i]) for i in np.flatnonzero(choice.shares[row])]
            return self._job(patch(row), place, turn, sources, likest if shown else [(1.0, opened)], shown)

        return [job(row) for row in range(len(landmarks))]

    def _paint_insides(
        self,
        patches: list[Patch],
        painter: MouthPainter,
        shares: np.ndarray,
        landmarks: FaceTrack,
        motion: Tensor,
        references: References,
    ) -> None:
        """What is seen between the lips that were asked for, over the patches, in place, as much of it as ``shares``
        add up to."""
        for source in np.flatnonzero(shares.any(0)):
            rows = np.flatnonzero(shares[:, source])
            own = torch.from_numpy(references.rest_motion[source])
            asked = onto_clip(motion[rows], own.expand(len(rows), -1))
            asked[:, HEAD_CHANNELS] = motion[rows][:, HEAD_CHANNELS]
            lower = np.stack([apply(inverse(landmarks.to_image[row]), patches[row].lower) for row in rows])
            mouth = painter.mouth(references, int(source))
            inside = PaintedInside.of(mouth, mouth.place(asked.to(self._like.device), lower))
            for i, row in enumerate(rows):
                patch = patches[row]
                assert patch.painted is not None
                corner = patch.left, patch.top
                inside.lay_over(i, patch.pixels, patch.painted, landmarks.to_image[row], corner, shares[row, source])

    def _prepared(self, frame: SourceFrame | OpenFrame, motion: np.ndarray) -> Reference:
        if frame not in self._known:
            self._known[frame] = Reference.of(frame, motion, self._side)
        return self._known[frame]

    def _job(
        self,
        source: np.ndarray,
        to_image: np.ndarray,
        turn: np.ndarray,
        rest: list[tuple[float, Reference, np.ndarray]],
        mouths: list[tuple[float, Reference]],
        shown: float,
    ) -> _Job:
        side = self._side
        seen = sum(share * asked for share, _, asked in rest)
        wanted = in_patch(np.asarray(seen), turn, side)
        chosen = [(share, one) for share, one, _ in rest] + mouths
        maps = alignments(wanted, np.stack([one.landmarks(side) for _, one in chosen]), side)
        mapped = [(*reference, one_map) for reference, one_map in zip(chosen, maps, strict=True)]
        kept, likest = mapped[: len(rest)], mapped[len(rest) :]
        aligned = [
            sum(share * looked_up(one.patch, one_map).astype(np.float32) for share, one, one_map in parts)
            for parts in (kept, likest)
        ]
        place = patch_to_image(to_image, turn, side)
        return _Job(
            source=source,
            hidden=hidden_part(turn, side),
            opening=opening_map(wanted[INNER_LIPS], side),
            lips=lips_map(wanted[OUTER_LIPS], side),
            references=np.stack([np.rint(np.asarray(one)).astype(np.uint8) for one in aligned]),
            kept=[kept, likest],
            to_image=place,
            lower=apply(place, wanted).astype(np.float32),
            shown=shown,
        )

    def _input(self, jobs: list[_Job], landmarks: FaceTrack, motion: Tensor) -> NetworkInput:
        """What the network gets to see. Lips are kept from the second reference where it shows them, and else from the
        first where their inside is painted."""
        like = self._like
        offsets, pose = motion_numbers(motion, landmarks.yaw, landmarks.pitch)
        hidden, opening, lips = (
            torch.from_numpy(np.stack([getattr(job, name) for job in jobs]).astype(np.float32)).to(like)[:, None]
            for name in ("hidden", "opening", "lips")
        )
        shown = torch.tensor([job.shown for job in jobs]).to(like)[:, None, None, None]
        first = torch.zeros_like(shown) if self._painter is None else 1 - shown
        return NetworkInput(
            source=to_tensor(np.stack([job.source for job in jobs]), like),
            hidden=hidden,
            opening=opening,
            offsets=offsets.to(like),
            pose=pose.to(like),
            references=torch.stack([to_tensor(job.references, like) for job in jobs]),
            lips=lips * torch.cat([first, shown], 1),
        )

    def _layers(self, jobs: list[_Job], landmarks: FaceTrack, motion: Tensor) -> list[np.ndarray]:
        """Per frame ``(S, S, 3 + R)`` float32: drawn colour times its share, and change of the references' colour,
        0..255; of each reference its share."""
        given = self._input(jobs, landmarks, motion)
        found = given.with_lips_kept(self._network(*given.network_arguments()))
        keep = found.keep
        drawn = (1 - keep.sum(1, keepdim=True)) * found.drawn.clamp(0, 1) + (keep[:, :, None] * found.tone).sum(1)
        return list(torch.cat([255 * drawn, keep], 1).float().permute(0, 2, 3, 1).contiguous().cpu().numpy())


def _placed(network: CompletionNetwork) -> CompletionNetwork:
    """With its weights in the order of memory that is fastest."""
    return network.to(memory_format=torch.channels_last)  # pyright: ignore[reportCallIssue]


def _with_rest(references: References) -> References:
    """Raise InputError where there is nothing to draw from."""
    if not references.rest:
        raise InputError("completing a mouth needs a frame of the clip that shows it at rest; take another clip")
    return references


def _finished(frame: np.ndarray, job: _Job, layers: np.ndarray) -> Patch:
    """The patch in the picture: drawn where it is hidden, the frame itself around it."""
    rows, columns = (np.flatnonzero(job.hidden.any(axis)) for axis in (1, 0))
    reach = FEATHER_CM * len(job.hidden) / PATCH_CM  # room for the blending's own transition
    x, y = ([lines[0] - reach, lines[-1] + reach] for lines in (columns, rows))
    corners = apply(job.to_image, np.array([[x[i], y[j]] for i in range(2) for j in range(2)]))
    limit = np.array(frame.shape[1::-1])
    left, top = np.floor(corners.min(0)).astype(int).clip(0, limit - 2).tolist()
    right, bottom = np.ceil(corners.max(0)).astype(int).clip([left + 2, top + 2], limit).tolist()
    size = (right - left, bottom - top)
    to_box = job.to_image - [[0, 0, left], [0, 0, top]]

    def spread(part: np.ndarray, border: int = cv2.BORDER_CONSTANT) -> np.ndarray:
        return cv2.warpAffine(part, to_box, size, flags=cv2.INTER_LINEAR, borderMode=border)

    *drawn, taken = cv2.split(spread(np.dstack([layers[..., :3], taken_over(job.hidden)])))
    result = cv2.merge(drawn)
    keeps = cv2.split(spread(np.ascontiguousarray(layers[..., 3:])))
    for keep, parts in zip(keeps, job.kept, strict=True):
        for share, reference, source_map in parts:
            place = spread(apply(reference.to_picture.astype(np.float32), source_map), cv2.BORDER_REPLICATE)
            result += times(looked_up(reference.picture, place).astype(np.float32), share * keep)
    area = frame[top:bottom, left:right].astype(np.float32)
    return Patch(left, top, between(area, result, taken), job.lower, np.zeros((*taken.shape, 1), np.float32))
