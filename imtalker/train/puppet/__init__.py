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
from imtalker.train.puppet.correspondence import correspondence
from imtalker.train.puppet.render import RenderedFrame, render

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
