"""How much of a sound is speech: Silero VAD (MIT), its weights read from the wheel that carries them.

The package itself is not imported: it sets the number of threads of the whole process, and loads TorchScript.
"""

import importlib.util
from functools import lru_cache
from pathlib import Path

import numpy as np
import torch
import torch.nn.functional as F
from safetensors import SafetensorError
from safetensors.torch import load_file
from torch import Tensor, nn

from imtalker.config import SAMPLE_RATE
from imtalker.errors import WeightsError
from imtalker.media.remark import Remark

CHUNK = 512  # samples judged at a time, 32 ms
CONTEXT = 64  # samples before them that are seen as well
WINDOW, HOP = 256, 128  # of the Fourier transform, samples
SPEECH = 0.5  # probability from which a chunk counts
LITTLE = 0.12  # share of speech below which something is said about it
BATCH = 2000  # chunks encoded at a time: a minute


class VoiceActivity(nn.Module):
    """Waveform -> probability of speech per chunk of 32 ms. The network of Silero VAD 5 at 16 kHz."""

    basis: Tensor  # (258, 1, 256) cosines and sines under the window

    def __init__(self) -> None:
        super().__init__()
        self.register_buffer("basis", torch.zeros(WINDOW + 2, 1, WINDOW))
        sizes = ((129, 128, 1), (128, 64, 2), (64, 64, 2), (64, 128, 1))
        self.encoder = nn.ModuleList(nn.Conv1d(i, o, 3, stride=s, padding=1) for i, o, s in sizes)
        self.recurrent = nn.LSTM(128, 128, batch_first=True)
        self.head = nn.Conv1d(128, 1, 1)

    @torch.inference_mode()
    def forward(self, waveform: Tensor) -> Tensor:
        """Probabilities ``(ceil(N / 512),)`` for mono ``(N,)`` in -1..1 at 16 kHz."""
        padded = F.pad(waveform, (CONTEXT, -len(waveform) % CHUNK))
        chunks = padded.unfold(0, CHUNK + CONTEXT, CHUNK)  # (n, 576)
        features = torch.cat([self._encode(part) for part in chunks.split(BATCH)])
        states, _ = self.recurrent(features[None])
        return self.head(states.transpose(1, 2).relu())[0, 0].sigmoid()

    def _encode(self, chunks: Tensor) -> Tensor:
        """``(n, 576)`` -> ``(n, 128)``."""
        spectrum = F.conv1d(F.pad(chunks[:, None], (0, CONTEXT), mode="reflect"), self.basis, stride=HOP)
        half = WINDOW // 2 + 1
        x = (spectrum[:, :half] ** 2 + spectrum[:, half:] ** 2).sqrt()
        for convolution in self.encoder:
            x = convolution(x).relu()
        return x[:, :, 0]


def speech_probabilities(waveform: np.ndarray) -> np.ndarray:
    """Probability of speech per 32 ms, float32, of mono samples ``(N,)`` at 16 kHz.

    Raises:
        WeightsError: the package silero-vad is missing.
    """
    return voice_activity()(torch.from_numpy(np.ascontiguousarray(waveform, np.float32))).numpy()


def sound_remarks(waveform: np.ndarray) -> tuple[Remark, ...]:
    """What a person should know about speech they give, float32 mono ``(N,)`` at 16 kHz.

    Nothing is said where the package silero-vad is missing.
    """
    try:
        probabilities = speech_probabilities(waveform)
    except WeightsError:
        return ()
    share, seconds = float((probabilities > SPEECH).mean()), len(waveform) / SAMPLE_RATE
    if share >= LITTLE:
        return ()
    return (
        Remark(
            "little_speech",
            f"hardly any speech is heard in this sound ({share * seconds:.1f} of {seconds:.1f} s): on music and noise "
            "the mouth stays shut or moves by chance; give a voice without accompaniment",
        ),
    )


@lru_cache(maxsize=1)
def voice_activity() -> VoiceActivity:
    """The network with its weights.

    Raises:
        WeightsError: the package silero-vad is missing, or holds another network.
    """
    spec = importlib.util.find_spec("silero_vad")
    folder = Path(spec.origin).parent / "data" if spec and spec.origin else None
    file = folder / "silero_vad_16k.safetensors" if folder else None
    if file is None or not file.is_file():
        raise WeightsError("finding speech needs the package silero-vad (6.2 or later): pip install silero-vad")
    names = {"basis": "stft_conv.weight", "head.weight": "final_conv.weight", "head.bias": "final_conv.bias"}
    names |= {f"encoder.{i}.{kind}": f"conv{i + 1}.{kind}" for i in range(4) for kind in ("weight", "bias")}
    names |= {f"recurrent.{kind}_l0": f"lstm_cell.{kind}" for kind in ("weight_ih", "weight_hh", "bias_ih", "bias_hh")}
    network = VoiceActivity()
    try:
        found = load_file(file)
        network.load_state_dict({own: found[theirs] for own, theirs in names.items()})
    except (SafetensorError, KeyError, RuntimeError, OSError) as error:
        raise WeightsError(f"{file} is not the network this version knows; install silero-vad 6.2") from error
    return network.eval()
