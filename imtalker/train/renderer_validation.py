"""Numbers and contact sheets of a renderer on people it was never trained on."""

from collections.abc import Mapping
from pathlib import Path

import cv2
import numpy as np
import torch
from torch import Tensor, nn

from imtalker.train.puppet.sampler import PuppetSampler, RendererSample
from imtalker.train.renderer_objective import RendererTrainee, as_images
from imtalker.train.video_clips import VideoSample, VideoSampler

FACE, MOUTH = 3, 0  # indices of the boxes


def box_psnr(found: Tensor, wanted: Tensor, box: Tensor) -> float:
    """PSNR in dB of ``(3, H, W)`` pictures in [0, 1] inside ``box`` (x0, y0, x1, y1 pixels)."""
    x0, y0, x1, y1 = (int(v) for v in box.clamp(0, found.shape[-1]))
    error = (found[:, y0:y1, x0:x1] - wanted[:, y0:y1, x0:x1]).square().mean()
    return float(-10 * torch.log10(error + 1e-8))


def gradient_energy(picture: Tensor, box: Tensor) -> float:
    """Mean absolute horizontal and vertical difference inside a box: sharpness."""
    x0, y0, x1, y1 = (int(v) for v in box.clamp(0, picture.shape[-1]))
    p = picture[:, y0:y1, x0:x1]
    return float(p.diff(dim=1).abs().mean() + p.diff(dim=2).abs().mean())


def exact_motion(sample: RendererSample | VideoSample, device: torch.device) -> tuple[Tensor | None, Tensor | None]:
    """Motion latents of source ``(1, d)`` and targets ``(K, d)`` where they are known."""
    if isinstance(sample, VideoSample):
        return None, None
    return torch.from_numpy(sample.source_motion)[None].to(device), torch.from_numpy(sample.target_motions).to(device)


class RendererValidation:
    """Callable for ``TrainingLoop``: fixed validation pairs -> numbers; writes a contact sheet (PNG) each time."""

    def __init__(
        self, sampler: PuppetSampler | VideoSampler, out: Path, num_portraits: int = 24, seed: int = 7
    ) -> None:
        self.samples = sampler.batch(np.random.default_rng(seed), num_portraits)
        self.out = out

    @torch.no_grad()
    def __call__(self, modules: Mapping[str, nn.Module], step: int) -> dict[str, float]:
        trainee = modules["renderer"]
        assert isinstance(trainee, RendererTrainee)
        device = next(trainee.parameters()).device
        rows: dict[str, list[float]] = {}
        sheet = []
        for i, sample in enumerate(self.samples):
            source = as_images(torch.from_numpy(sample.source)[None]).to(device)
            target = as_images(torch.from_numpy(sample.targets)).to(device)
            boxes = torch.from_numpy(sample.boxes)
            source_motion, motion = exact_motion(sample, device)
            state = trainee.renderer.encode_source(source, source_motion)
            motion = trainee.renderer.encode_motion(target) if motion is None else motion
            drawn, _ = trainee.renderer.synthesize(motion, state)
            resampled = drawn.frame if drawn.resampled is None else drawn.resampled
            for k in range(len(target)):
                face, mouth = boxes[k, FACE], boxes[k, MOUTH]
                for name, value in (
                    ("face", box_psnr(drawn.frame[k], target[k], face)),
                    ("mouth", box_psnr(drawn.frame[k], target[k], mouth)),
                    ("warp_face", box_psnr(resampled[k], target[k], face)),
                    ("copy_face", box_psnr(source[0], target[k], face)),
                    ("sharpness", gradient_energy(drawn.frame[k], face) / gradient_energy(target[k], face)),
                ):
                    rows.setdefault(name, []).append(value)
            if i < 8:
                pictures = [source[0], target[0], drawn.frame[0], resampled[0], target[1], drawn.frame[1]]
                sheet.append(torch.cat(pictures, dim=2))
        self.write_sheet(torch.cat(sheet, dim=1), step)
        return {name: float(np.mean(values)) for name, values in rows.items()}

    def write_sheet(self, picture: Tensor, step: int) -> None:
        """Source, truth, result, resampled source, second truth, second result; one person a row."""
        pixels = (picture.clamp(0, 1) * 255).round().byte().permute(1, 2, 0).cpu().numpy()
        cv2.imwrite(str(self.out / f"sheet_{step:06d}.png"), pixels[:, :, ::-1])
