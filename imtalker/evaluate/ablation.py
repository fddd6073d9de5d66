"""Ablations: what the sampler's steps, given head pose and gaze, and the parts of the renderer are worth.

A part of the renderer is taken out of a copy of the trained weights, so its row says what these weights lose without
it, not what a network trained without it would reach.
"""

import logging
from copy import deepcopy
from dataclasses import dataclass, replace
from math import inf
from types import MappingProxyType

import torch
from torch import nn

from imtalker.config import RendererConfig
from imtalker.errors import InputError
from imtalker.evaluate.dataset import Dataset
from imtalker.evaluate.evaluation import EvaluationReport, Progress, Setting, prepare_clips, run_protocol
from imtalker.evaluate.metrics import Mode
from imtalker.evaluate.protocols import Evaluator
from imtalker.pipeline.talking_head import TalkingHeadPipeline
from imtalker.renderer import Renderer

logger = logging.getLogger(__name__)

# Rows of the synthesis network's final convolution, four sub-pixels each.
_GATE, _OPENING = slice(12, 16), slice(16, 20)
_PIXEL_CHANNELS = 12  # of moved source pixels, the last that the finest level is given


@dataclass(frozen=True)
class Ablation:
    """A table: a protocol and its rows."""

    mode: Mode
    settings: tuple[Setting, ...]


ABLATIONS = MappingProxyType(
    {
        # the paper's table 3
        "steps": Ablation("audio", tuple(Setting(f"steps={steps}", steps) for steps in (5, 10, 50))),
        "conditions": Ablation(
            "audio",
            (
                Setting("sound only"),
                Setting("+Pose", pose=True),
                Setting("+Gaze", gaze=True),
                Setting("+Pose, Gaze", pose=True, gaze=True),
            ),
        ),
        "parts": Ablation(
            "self",
            (
                Setting("as shipped"),
                Setting("everything drawn", without="gate"),
                Setting("the same, moved pixels not seen", without="pixels"),
                Setting("nothing drawn", without="drawing"),
                Setting("no teeth", without="teeth"),
                Setting("identity not adapted to", without="identity"),
                Setting("guide not repaired", without="repair"),
                Setting("landmarks not followed", without="landmarks"),
                Setting("lips and mouth left to the networks", without="mouth"),
                Setting("lids and eyes left to the networks", without="eyes"),
                Setting("hair, shoulders and background left to the networks", without="body"),
            ),
        ),
    }
)


def parts_of(config: RendererConfig) -> tuple[str, ...]:
    """What can be taken out of a renderer of this architecture:

    "gate": source pixels are not moved into the frame, every pixel is drawn (the drawing still sees the moved ones).
    "pixels": nor does the drawing see them: no source pixel has a way into the frame but through features.
    "drawing": nothing is drawn, the frame is moved source pixels alone.
    "teeth": the learned rows of teeth stay invisible.
    "identity": motion is not adapted to the person (paper section 3.2.1), the adapter sees the motion alone.
    "repair": guide coordinates are taken as attention gives them.
    "landmarks": source coordinates are not held to the portrait's landmarks, nor lips, mouth, lids, eyes and body.
    "mouth": lips and the inside of the mouth are left to the networks; "eyes": lids and eyeballs are.
    "body": hair, shoulders and background are left to the networks.
    """
    there = {
        "gate": config.pixel_gate,
        "pixels": config.pixel_gate,
        "drawing": config.pixel_gate,
        "teeth": config.teeth_texture,
        "identity": True,
        "repair": config.resampler == "coordinate",
        "landmarks": config.resampler == "coordinate",
        "mouth": config.pixel_gate,
        "eyes": config.pixel_gate,
        "body": config.pixel_gate,
    }
    return tuple(part for part, is_there in there.items() if is_there)


@torch.no_grad()
def without(renderer: Renderer, part: str) -> Renderer:
    """A copy of a renderer (fused or not) that lacks a part, see :func:`parts_of`; the given one stays as it is.

    Raises:
        InputError: its architecture has no such part.
    """
    known = parts_of(renderer.config)
    if part not in known:
        raise InputError(f"this renderer has no part {part!r} to leave out; it has {', '.join(known)}")
    copy = deepcopy(renderer)
    final = copy.synthesis.final
    if part in ("gate", "pixels", "drawing", "mouth"):  # lips are moved pixels, what is between them is drawn
        copy.paints_mouth = False
    if part in ("gate", "pixels", "drawing", "eyes"):  # of either are lids and eyes
        copy.paints_eyes = False
    if part in ("gate", "pixels", "drawing", "body"):  # a still background is a picture of its own
        copy.moves_body = False
    if part in ("gate", "pixels"):
        _fix(final, _GATE, -inf)
    if part == "pixels":
        first = copy.synthesis.fuse[-1].conv1
        assert isinstance(first, nn.Conv2d)
        first.weight[:, -_PIXEL_CHANNELS:] = 0
    elif part == "drawing":
        _fix(final, _GATE, inf)
    elif part == "teeth":
        _fix(final, _OPENING, -inf)
    elif part == "identity":
        adapter = copy.identity_adapter
        for layer in (adapter.input, adapter.skip):
            if layer is not None:
                layer.weight[:, renderer.config.motion_dim :] = 0
    elif part == "repair":
        copy.transfer.repairs_guide = False
    elif part == "landmarks":
        copy.follows_landmarks = False
    return copy


def _fix(final: nn.Conv2d, rows: slice, logit: float) -> None:
    """Let some outputs of a convolution be one number everywhere."""
    assert final.bias is not None
    final.weight[rows] = 0
    final.bias[rows] = logit


def ablate(
    evaluator: Evaluator, dataset: Dataset, what: str, progress: Progress = logger.info
) -> list[EvaluationReport]:
    """The rows of one table; of the renderer's parts those that this preset has.

    Args:
        what: "steps" or "conditions" (the paper's table 3, audio-driven), or "parts" (self-reenactment).

    Raises:
        InputError: no clip can be used.
    """
    mode = ABLATIONS[what].mode
    there = parts_of(evaluator.pipeline.models.renderer.config)
    settings = [setting for setting in ABLATIONS[what].settings if setting.without in (None, *there)]
    prepared, skipped = prepare_clips(evaluator, dataset, mode, progress)
    reports = []
    for setting in settings:
        pipeline = _pipeline_of(setting, evaluator.pipeline)
        fresh = Evaluator(pipeline, evaluator.networks, evaluator.crop_faces, evaluator.max_seconds)
        reports.append(run_protocol(fresh, dataset, mode, prepared, skipped, setting, progress))
    return reports


def _pipeline_of(setting: Setting, pipeline: TalkingHeadPipeline) -> TalkingHeadPipeline:
    if setting.without is None:
        return pipeline
    models = replace(pipeline.models, renderer=without(pipeline.models.renderer, setting.without))
    return TalkingHeadPipeline(models, pipeline.batch_size, pipeline.size)
