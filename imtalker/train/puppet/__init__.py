"""Photo puppets: one portrait photo -> frames with exactly known pose, gaze, expression and dense correspondence."""

from imtalker.train.puppet.asset import PuppetAsset, build_asset
from imtalker.train.puppet.controls import (
    CONTROL_NAMES,
    DEFAULTS,
    complete,
    mirror_controls,
    sample_controls,
    sample_expression,
)
from imtalker.train.puppet.frame import RenderedFrame, render
from imtalker.train.puppet.matching import correspondence

__all__ = [
    "CONTROL_NAMES",
    "DEFAULTS",
    "PuppetAsset",
    "RenderedFrame",
    "build_asset",
    "complete",
    "correspondence",
    "mirror_controls",
    "render",
    "sample_controls",
    "sample_expression",
]
