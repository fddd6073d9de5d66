"""The numbers of a dubbing evaluation, the bars they are held against, and the table for the terminal."""

import math
from dataclasses import dataclass

import numpy as np

from imtalker.evaluate.face_metrics import finite_mean

COLUMNS = ("dubbed", "audio mode", "old mouth", "frozen shut")  # all but the first are baselines
Rows = dict[str, dict[str, float]]  # engine or baseline -> metric; what is left out counts as unknown


@dataclass(frozen=True)
class Bar:
    """One row of the table."""

    key: str
    title: str
    unit: str
    goal: str
    paper: float | None = None  # IMGTalk on HDTF (Table 1)


BARS = (
    Bar("self_psnr", "own sound: PSNR, whole frames", "dB", "> 34", 34.26),
    Bar("self_ssim", "own sound: SSIM", "", "> .96", 0.969),
    Bar("self_lmd", "own sound: LMD mouth", "mm", "<= 1.8", 1.785),
    Bar("leak", "other sound: leak of the old lips", "", "< .05"),
    Bar("paired_leak", "other sound: leak, two old mouths", "", "< .05"),
    Bar("lip_correlation", "other sound: lip correlation", "", "audio mode"),
    Bar("correlation_gain", "the same, less that of audio mode", "", ">= 0"),
    Bar("lip_offset", "other sound: lip offset", "ms", "audio mode"),
    Bar("closure_rate", "other sound: closure rate", "", "audio mode"),
    Bar("outside", "change outside the mask", "levels", "0"),
    Bar("seam", "gradient at the rim / original", "", ".9 to 1.1"),
    Bar("flicker", "unrest of the skin / original", "", "<= 1.2"),
    Bar("sharpness", "detail of the skin / original", "", ".85 to 1.15"),
    Bar("mouth_sharpness", "detail of the mouth / original, truth", "", ".85 to 1.15"),
    Bar("identity", "identity (SFace) with the original", "", ">= .95"),
    Bar("truth_psnr", "truth: PSNR of the mouth patch", "dB", "27"),
    Bar("truth_ssim", "truth: SSIM of the mouth patch", "", ""),
    Bar("truth_lmd", "truth: LMD mouth", "mm", "<= 1.7"),
    Bar("motion_psnr", "truth, its own motion: PSNR", "dB", "27"),
    Bar("motion_lmd", "truth, its own motion: LMD", "mm", "<= 1.2"),
    Bar("frames_per_second", "speed", "frames/s", ">= 20"),
)


@dataclass(frozen=True)
class DubReport:
    """All numbers of one run."""

    dataset: str
    values: dict[str, list[Rows]]  # clip -> with each sound; what its own sound tells stands in the first
    skipped: tuple[str, ...]
    seconds: float

    def mean(self, kind: str, key: str) -> float:
        """Mean over clips; NaN where unknown."""
        return finite_mean(np.array([finite_mean(_each(rows, kind, key)) for rows in self.values.values()]))

    def error(self, kind: str, key: str) -> float:
        """Standard error of the mean of all clips and sounds; NaN of a single one."""
        known = np.concatenate([_each(rows, kind, key) for rows in self.values.values()])
        known = known[np.isfinite(known)]
        return float(known.std(ddof=1) / math.sqrt(len(known))) if len(known) > 1 else math.nan

    def as_dict(self) -> dict:
        """JSON-able; NaN becomes None."""
        return {
            "mode": "dub",
            "dataset": self.dataset,
            "seconds": round(self.seconds, 1),
            "skipped": list(self.skipped),
            "metrics": [
                {
                    "key": bar.key,
                    "title": bar.title,
                    "unit": bar.unit,
                    "goal": bar.goal,
                    "paper": bar.paper,
                    **{kind: _number(self.mean(kind, bar.key)) for kind in COLUMNS},
                    "error": {kind: _number(self.error(kind, bar.key)) for kind in COLUMNS},
                }
                for bar in BARS
            ],
            "clips": {clip: self._of_clip(rows) for clip, rows in self.values.items()},
        }

    def _of_clip(self, rows: list[Rows]) -> dict[str, dict[str, float | None]]:
        """Means over its sounds."""
        return {kind: {key: _number(finite_mean(_each(rows, kind, key))) for key in rows[0][kind]} for kind in COLUMNS}

    def table(self) -> str:
        """For the terminal."""
        sounds = max(map(len, self.values.values()))
        lines = [
            f"dubbing, {len(self.values)} clips of '{self.dataset}', other sounds each: {sounds}, {self.seconds:.0f} s",
            "",
            f"{'metric':<38}{'unit':<9}" + "".join(f"{kind:>17}" for kind in COLUMNS) + f"{'goal':>13}{'IMGTalk':>9}",
        ]
        for bar in BARS:
            cells = "".join(f"{self._cell(kind, bar.key):>17}" for kind in COLUMNS)
            lines.append(f"{bar.title:<38}{bar.unit:<9}{cells}{bar.goal:>13}{_text(bar.paper or math.nan):>9}")
        lines += [
            "",
            "audio mode: the clip's first frame as a portrait that says the new sound; old mouth: the clip as it is,",
            "with the new sound; frozen shut: the lips of its neutral frame; ±: standard error of the mean.",
        ]
        lines += [f"skipped {reason}" for reason in self.skipped]
        return "\n".join(lines)

    def _cell(self, kind: str, key: str) -> str:
        error = self.error(kind, key)
        return _text(self.mean(kind, key)) + (f" ±{error:.3f}" if math.isfinite(error) else "")


def _each(rows: list[Rows], kind: str, key: str) -> np.ndarray:
    """One number with each sound (n,)."""
    return np.array([row.get(kind, {}).get(key, math.nan) for row in rows])


def _number(value: float) -> float | None:
    return round(float(value), 5) if np.isfinite(value) else None


def _text(value: float) -> str:
    return f"{value:.3f}" if np.isfinite(value) else "-"
