"""The networks of the literature that ship in no package: used when their files are given, named when they are not."""

import logging
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import torch

from imtalker.errors import InputError
from imtalker.evaluate.image_metrics import FeatureNetwork, Lpips, frechet_distance
from imtalker.evaluate.syncnet import SyncNet, load_syncnet

logger = logging.getLogger(__name__)

LPIPS_FILE = "alexnet-owt-7be5be79.pth"
FID_FILE = "inception-2015-12-05.pt"
FVD_FILE = "i3d_torchscript.pt"
SYNCNET_FILE = "syncnet_v2.model"


@dataclass
class ReferenceNetworks:
    """What is there, and why the rest is not."""

    lpips: Lpips | None
    fid: FeatureNetwork | None
    fvd: FeatureNetwork | None
    syncnet: SyncNet | None
    unavailable: dict[str, str]  # metric -> reason


def load_reference_networks(folder: Path | None) -> ReferenceNetworks:
    """Load what a folder holds of ``LPIPS_FILE``, ``FID_FILE``, ``FVD_FILE``, ``SYNCNET_FILE``.

    Raises:
        InputError: no such folder.
        WeightsError: a file of that name is something else.
    """
    if folder is not None and not folder.is_dir():
        raise InputError(f"{folder} is not a folder; give one that holds {LPIPS_FILE} and its like")
    unavailable: dict[str, str] = {}

    def file_of(metric: str, name: str) -> Path | None:
        if folder is not None and (folder / name).is_file():
            return folder / name
        unavailable[metric] = f"its network ships in no package: put {name} into a folder and give --weights FOLDER"
        return None

    lpips, fid, fvd = file_of("lpips", LPIPS_FILE), file_of("fid", FID_FILE), file_of("fvd", FVD_FILE)
    syncnet = file_of("sync_c", SYNCNET_FILE)
    if syncnet is None:
        unavailable["sync_d"] = unavailable["sync_c"]
    return ReferenceNetworks(
        None if lpips is None else Lpips(lpips),
        None if fid is None else FeatureNetwork(fid),
        None if fvd is None else FeatureNetwork(fvd),
        None if syncnet is None else load_syncnet(syncnet),
        unavailable,
    )


@dataclass
class FrechetFeatures:
    """Features of results and targets, gathered clip by clip."""

    networks: ReferenceNetworks
    frames: tuple[list[np.ndarray], list[np.ndarray]] = field(default_factory=lambda: ([], []))
    clips: tuple[list[np.ndarray], list[np.ndarray]] = field(default_factory=lambda: ([], []))

    def add(self, result: torch.Tensor, target: torch.Tensor) -> None:
        """Frames (T,3,256,256) in [0,1] of one clip and of its target."""
        for side, images in enumerate((result, target)):
            if self.networks.fid is not None:
                self.frames[side].append(self.networks.fid.frames(images))
            if self.networks.fvd is not None and len(images) >= 16:
                self.clips[side].append(self.networks.fvd.clip(images))

    def distances(self) -> dict[str, float]:
        """FID and FVD, as far as their networks and enough samples are there."""
        found = {}
        for key, (results, targets) in (("fid", self.frames), ("fvd", self.clips)):
            if results and targets:
                try:
                    found[key] = frechet_distance(np.concatenate(results), np.concatenate(targets))
                except InputError as error:
                    logger.warning("no %s: %s", key, error)
        return found
