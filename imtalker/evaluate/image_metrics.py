"""How close pictures are to pictures: PSNR, SSIM, LPIPS, and the Frechet distance behind FID and FVD.

Frames are float tensors (T,3,H,W) in [0,1]; the paper compares at 256x256.
"""

from importlib.resources import files
from pathlib import Path

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor, nn
from torchmetrics.functional.image import peak_signal_noise_ratio, structural_similarity_index_measure

from imtalker.errors import InputError, WeightsError


def frames_to_tensor(frames: np.ndarray, size: int = 256) -> Tensor:
    """uint8 (T,H,W,3) -> float (T,3,size,size) in [0,1], averaged over the area when it shrinks."""
    images = torch.from_numpy(np.ascontiguousarray(frames)).permute(0, 3, 1, 2).float() / 255
    if images.shape[-2:] != (size, size):
        images = F.interpolate(images, (size, size), mode="area" if images.shape[-1] > size else "bilinear")
    return images


def psnr(result: Tensor, target: Tensor) -> np.ndarray:
    """Peak signal-to-noise ratio of each frame, (T,) dB: 10 log10(1 / mean squared difference).

    0..infinity, higher is better; infinite for equal pictures.
    """
    _same_shape(result, target)
    values = peak_signal_noise_ratio(result, target, data_range=1.0, reduction="none", dim=(1, 2, 3))
    return values.double().numpy()


def ssim(result: Tensor, target: Tensor) -> np.ndarray:
    """Structural similarity of each frame, (T,): -1..1, higher is better (Wang et al. 2004; 11x11 Gaussian
    window).
    """
    _same_shape(result, target)
    values = structural_similarity_index_measure(result, target, data_range=1.0, reduction="none")
    if not isinstance(values, Tensor):
        raise TypeError("expected one similarity per frame")
    return values.double().numpy().reshape(-1)


def ssim_map(result: Tensor, target: Tensor) -> Tensor:
    """Structural similarity round every pixel, mean of the colours: ``(T,3,H,W)`` twice -> ``(T,H,W)``."""
    _same_shape(result, target)
    found = structural_similarity_index_measure(
        result, target, data_range=1.0, reduction="none", return_full_image=True
    )
    if not isinstance(found, tuple):
        raise TypeError("expected the similarities of all pixels")
    return found[1].mean(1)


def masked_psnr(result: Tensor, target: Tensor, mask: Tensor) -> float:
    """PSNR of one picture ``(3,H,W)`` over the pixels of a mask ``(H,W)``, dB; infinite for equal pixels."""
    _same_shape(result, target)
    error = (result - target)[:, mask].double().square().mean()
    return float(-10 * torch.log10(error))


class Lpips(nn.Module):
    """Learned perceptual distance (Zhang et al. 2018, version 0.1, AlexNet): 0..about 1, lower is better.

    The five linear heads ship with torchmetrics. The trunk is torchvision's AlexNet, whose weights ship in no
    package: give the file that torchvision downloads, ``alexnet-owt-7be5be79.pth``.
    """

    # Index in the trunk, channels in and out, kernel, stride, padding.
    _CONVOLUTIONS = (
        (0, 3, 64, 11, 4, 2),
        (3, 64, 192, 5, 1, 2),
        (6, 192, 384, 3, 1, 1),
        (8, 384, 256, 3, 1, 1),
        (10, 256, 256, 3, 1, 1),
    )

    def __init__(self, trunk_file: Path) -> None:
        """
        Raises:
            WeightsError: the file is missing or is not AlexNet.
        """
        super().__init__()
        if not trunk_file.is_file():
            raise WeightsError(f"LPIPS needs AlexNet's weights: {trunk_file} does not exist")
        state = torch.load(trunk_file, map_location="cpu", weights_only=True)
        heads_file = str(files("torchmetrics").joinpath("functional/image/lpips_models/alex.pth"))
        heads = torch.load(heads_file, map_location="cpu", weights_only=True)
        self.convolutions = nn.ModuleList()
        for index, inputs, outputs, kernel, stride, padding in self._CONVOLUTIONS:
            convolution = nn.Conv2d(inputs, outputs, kernel, stride, padding)
            try:
                weights = {name: state[f"features.{index}.{name}"] for name in ("weight", "bias")}
                convolution.load_state_dict(weights)
            except (KeyError, RuntimeError) as error:
                raise WeightsError(f"{trunk_file} is not torchvision's AlexNet: {error}") from error
            self.convolutions.append(convolution)
        self.heads = nn.ParameterList(heads[f"lin{level}.model.1.weight"] for level in range(len(self.convolutions)))
        self.requires_grad_(False)

    def forward(self, result: Tensor, target: Tensor) -> np.ndarray:
        """Distance of each frame, (T,)."""
        return self.distance(result, target).detach().cpu().double().numpy()

    def distance(self, result: Tensor, target: Tensor) -> Tensor:
        """The same as a tensor through which gradients flow: a loss."""
        _same_shape(result, target)
        distance = torch.zeros(len(result), device=result.device)
        for head, a, b in zip(self.heads, self._features(result), self._features(target), strict=True):
            distance = distance + F.conv2d((a - b) ** 2, head).mean((1, 2, 3))
        return distance

    def _features(self, images: Tensor) -> list[Tensor]:
        # of images in [-1,1], as published
        mean = torch.tensor([-0.030, -0.088, -0.188], device=images.device)[:, None, None]
        deviation = torch.tensor([0.458, 0.448, 0.450], device=images.device)[:, None, None]
        x = (images * 2 - 1 - mean) / deviation
        features = []
        for level, convolution in enumerate(self.convolutions):
            if level in (1, 2):
                x = F.max_pool2d(x, 3, 2)
            x = convolution(x).relu()
            # the first small number keeps the gradient finite where nothing is active
            features.append(x / ((x.pow(2).sum(1, keepdim=True) + 1e-20).sqrt() + 1e-10))
        return features


def frechet_distance(first: np.ndarray, second: np.ndarray) -> float:
    """Frechet distance of two sets of features, each seen as a Gaussian:
    |m1 - m2|^2 + tr(C1 + C2 - 2 (C1 C2)^(1/2)).

    With Inception features of frames this is FID (Heusel et al. 2017), with I3D features of clips FVD
    (Unterthiner et al. 2018). 0..infinity, lower is better.

    Args:
        first, second: (N,D) features, N at least 2.
    """
    if min(len(first), len(second)) < 2:
        raise InputError("a Frechet distance needs at least two samples on each side")
    mean_1, mean_2 = first.mean(0), second.mean(0)
    covariance_1, covariance_2 = (np.atleast_2d(np.cov(x, rowvar=False)) for x in (first, second))
    # tr((C1 C2)^(1/2)) is the sum of the roots of the eigenvalues of C1 C2, which are real and not negative.
    eigenvalues = np.linalg.eigvals(covariance_1 @ covariance_2)
    root_trace = np.sqrt(np.clip(eigenvalues.real, 0, None)).sum()
    distance = ((mean_1 - mean_2) ** 2).sum() + np.trace(covariance_1) + np.trace(covariance_2) - 2 * root_trace
    return float(max(distance, 0.0))


class FeatureNetwork:
    """The TorchScript feature extractors of FID (``inception-2015-12-05.pt``) and FVD
    (``i3d_torchscript.pt``).
    """

    def __init__(self, file: Path) -> None:
        """
        Raises:
            WeightsError: the file is missing or is not TorchScript.
        """
        if not file.is_file():
            raise WeightsError(f"{file} does not exist")
        try:
            self._network = torch.jit.load(str(file), map_location="cpu").eval()
        except RuntimeError as error:
            raise WeightsError(f"{file} is not a TorchScript network: {error}") from error

    @torch.inference_mode()
    def frames(self, images: Tensor) -> np.ndarray:
        """Inception features of frames (T,3,H,W) in [0,1]: (T,2048)."""
        features = self._network((images * 255).round().to(torch.uint8), return_features=True)
        return features.double().numpy()

    @torch.inference_mode()
    def clip(self, images: Tensor) -> np.ndarray:
        """I3D features of windows of 16 frames, (windows,400); at least one window, the last frames are
        left out.
        """
        count = len(images) // 16
        if not count:
            raise InputError(f"FVD needs clips of at least 16 frames, this one has {len(images)}")
        videos = images[: count * 16].reshape(count, 16, *images.shape[1:]).transpose(1, 2) * 255
        features = self._network(videos, rescale=True, resize=True, return_features=True)
        return features.double().numpy()


def _same_shape(result: Tensor, target: Tensor) -> None:
    if result.shape != target.shape:
        raise InputError(f"frames of shape {tuple(result.shape)} cannot be compared with {tuple(target.shape)}")
