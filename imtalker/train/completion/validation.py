"""Numbers and contact sheets of a completion network on people it was never trained on."""

from collections.abc import Mapping
from pathlib import Path

import cv2
import numpy as np
import torch
from torch import Tensor, nn

from imtalker.train.completion.objective import CompletionTrainee, complete
from imtalker.train.completion.sampler import CompletionSampler, collate
from imtalker.train.renderer_objective import as_images

CHUNK = 16
SHOWN = 8  # samples on the sheet


class CompletionValidation:
    """Callable for ``TrainingLoop``: fixed validation samples -> numbers; writes a contact sheet (PNG) each time."""

    def __init__(self, sampler: CompletionSampler, out: Path, count: int = 64, seed: int = 7) -> None:
        rng = np.random.default_rng(seed)
        self.batches = [collate(sampler.batch(rng, min(CHUNK, count - at))) for at in range(0, count, CHUNK)]
        self.out = out

    @torch.no_grad()
    def __call__(self, modules: Mapping[str, nn.Module], step: int) -> dict[str, float]:
        trainee = modules["completion"]
        assert isinstance(trainee, CompletionTrainee)
        device = next(trainee.parameters()).device
        rows: dict[str, list[Tensor]] = {}
        sheet: Tensor | None = None
        for batch in self.batches:
            batch = {name: value.to(device) for name, value in batch.items()}
            completion, result = complete(trainee.network, batch)
            target, source = as_images(batch["target"]), as_images(batch["source"])
            hidden, lips = batch["hidden"][:, None].float(), batch["lips"][:, None].float()
            closed, opened = (as_images(batch["references"][:, i]) for i in range(2))
            through = trainee.network.autoencoder.decode(trainee.network.autoencoder.encode(target))
            for name, picture, area in (
                ("psnr", result, hidden),
                ("psnr_lips", result, lips),
                ("psnr_drawn", completion.drawn, lips),
                ("psnr_reference", closed + completion.tone[:, 0], lips),
                ("psnr_autoencoder", through, lips),
            ):
                rows.setdefault(name, []).append(area_psnr(picture, target, area))
            detail = [(p.diff(dim=3).abs() * lips[..., 1:]).sum((1, 2, 3)) for p in (result, target)]
            rows.setdefault("sharpness_lips", []).append(detail[0] / detail[1])
            rows.setdefault("kept", []).append(
                (completion.keep.sum(1, keepdim=True) * hidden).sum((1, 2, 3)) / hidden.sum((1, 2, 3))
            )
            if sheet is None:
                masked = source * (1 - hidden)
                shares = torch.cat([1 - completion.keep.sum(1, keepdim=True), completion.keep], 1)
                shown = [source, masked, closed, opened, completion.drawn, shares]
                strips = [torch.cat(list(picture[:SHOWN]), dim=1) for picture in (*shown, result, target)]
                sheet = torch.cat(strips, dim=2)
        assert sheet is not None
        self.write_sheet(sheet, step)
        return {name: float(torch.cat(values).mean()) for name, values in rows.items()}

    def write_sheet(self, picture: Tensor, step: int) -> None:
        """Source, what is seen of it, references, decoded, shares (red drawn, green and blue the references), result,
        truth; one sample a row."""
        pixels = (picture.clamp(0, 1) * 255).round().byte().permute(1, 2, 0).cpu().numpy()
        large = cv2.resize(pixels, None, fx=2, fy=2, interpolation=cv2.INTER_CUBIC)
        cv2.imwrite(str(self.out / f"sheet_{step:06d}.png"), large[:, :, ::-1])


def area_psnr(found: Tensor, wanted: Tensor, area: Tensor) -> Tensor:
    """PSNR ``(B,)`` in dB of ``(B, 3, S, S)`` pictures in 0..1 over an ``area (B, 1, S, S)``."""
    error = ((found.clamp(0, 1) - wanted).square() * area).sum((1, 2, 3)) / (3 * area.sum((1, 2, 3)).clamp(min=1.0))
    return -10 * torch.log10(error + 1e-8)
