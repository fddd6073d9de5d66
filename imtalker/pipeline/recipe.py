"""The recipe of a run: what anybody needs to make it again, stored in videos and motion files."""

from dataclasses import asdict, fields
from pathlib import Path
from typing import Any

import numpy as np
import torch

from imtalker.config import SamplingOptions
from imtalker.generator.controls import MotionControls
from imtalker.version import __version__

MAX_CURVE = 8  # values of a control curve written out; longer ones are summed up


def make_recipe(
    mode: str,
    preset: str,
    motion_layout: str,
    source: object,
    options: SamplingOptions | None = None,
    controls: MotionControls | None = None,
    **extra: Any,
) -> dict:
    """JSON-able facts of a run. Only file names are kept of paths: folders may say who somebody is."""
    recipe: dict[str, Any] = {
        "software": f"imtalker {__version__}",
        "torch": str(torch.__version__),
        "preset": preset,
        "motion_layout": motion_layout,
        "mode": mode,
        "source": Path(source).name if isinstance(source, str | Path) else "samples",
    }
    if options is not None:
        recipe["sampling"] = asdict(options)
    if controls is not None:
        given = {f.name: _describe(getattr(controls, f.name)) for f in fields(controls)}
        recipe["controls"] = {name: value for name, value in given.items() if value is not None}
    return recipe | {name: value for name, value in extra.items() if value is not None}


def _describe(value: Any) -> Any:
    if not isinstance(value, np.ndarray):
        return value
    if value.size <= MAX_CURVE:
        return np.round(value, 4).tolist()
    return {
        "frames": len(value),
        "mean": np.round(value.mean(axis=0), 4).tolist(),
        "deviation": np.round(value.std(axis=0), 4).tolist(),
    }
