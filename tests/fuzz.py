"""Damaged files of every kind we read: a typed error or a valid result, in bounded memory, with nothing left behind.

    python -m tests.fuzz --count 5000 --seed 1 --seconds 600

Sample files are made on the spot, mutated by a seeded generator, and read as the product reads them. A finding is an
exception that is not ours, an invalid result, memory or time beyond the limits, or a file or descriptor left behind.
"""

import argparse
import json
import os
import resource
import signal
import sys
import tempfile
import time
import traceback
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from PIL import Image

from imtalker.config import MOTION_DIM, CropConfig
from imtalker.errors import ImTalkerError, NoFaceError
from imtalker.generator.controls import COLUMNS, MotionControls
from imtalker.media.audio import load_waveform
from imtalker.media.framing import Framing
from imtalker.media.image import load_portrait
from imtalker.media.video import count_frames, probe_video, read_frames
from imtalker.media.video_writer import VideoWriter
from imtalker.pipeline.motion_clip import load_motion, save_motion
from imtalker.pipeline.recipe import read_recipe
from tests.support.sample_media import counting_frame, encode_audio, tone, write_video, write_wav

MEMORY = 1500  # MB that one file may cost
SECONDS = 30  # that one file may take
EXTREMES = (b"\xff\xff\xff\xff", b"\x7f\xff\xff\xff", b"\0\0\0\0", b"\x80\0\0\0", b"\0\0\xff\xff", b"\xff\xff\xff\x7f")


@dataclass(frozen=True)
class Finding:
    """Something that must not happen."""

    kind: str
    sample: str
    case: int  # with the seed it makes the same file again
    what: str


# ---- samples -------------------------------------------------------------------------------------------------------


def make_samples(folder: Path) -> dict[str, list[Path]]:
    """Small valid files of each kind."""
    picture = Image.fromarray(np.random.default_rng(0).integers(0, 255, (48, 64, 3)).astype(np.uint8))
    pictures = []
    for name, options in {
        "p.jpg": {}, "progressive.jpg": {"progressive": True}, "p.png": {}, "p.webp": {}, "p.bmp": {}, "p.gif": {},
        "p.tiff": {"compression": "tiff_lzw"}, "plain.tiff": {}, "p.avif": {},
    }.items():  # fmt: skip
        picture.save(folder / name, **options)
        pictures.append(folder / name)
    picture.convert("CMYK").save(folder / "cmyk.jpg")
    Image.fromarray(np.arange(48 * 64, dtype=np.uint16).reshape(48, 64)).save(folder / "deep.png")
    pictures += [folder / "cmyk.jpg", folder / "deep.png", *_heic(picture, folder)]
    sounds = [
        write_wav(folder / "s.wav", tone(0.6)),
        encode_audio(folder / "s.mp3", "libmp3lame", 0.6, 16_000),
        encode_audio(folder / "s.flac", "flac", 0.6, 16_000, fmt="s16"),
        encode_audio(folder / "s.ogg", "libopus", 0.6, 48_000, fmt="flt"),
        encode_audio(folder / "s.m4a", "aac", 0.6, 48_000),
    ]
    clips = [
        write_video(folder / "c.mp4", frames=10, sound=True),
        write_video(folder / "c.webm", "libvpx", 8),
        write_video(folder / "c.mkv", "libvpx-vp9", 6),
        write_video(folder / "c.avi", "mpeg4", 8),
        write_video(folder / "c.gif", "gif", 5, pix_fmt="rgb8"),
        write_video(folder / "c.mov", "libx265", 6, pix_fmt="yuv420p10le"),
    ]
    save_motion(folder / "m.safetensors", torch.randn(20, MOTION_DIM), {"preset": "tiny"})
    rows = "\n".join(",".join(f"{(i * j) % 7}.5" for j in range(len(COLUMNS))) for i in range(12))
    (folder / "k.csv").write_text(",".join(COLUMNS) + "\n" + rows + "\n", encoding="utf-8")
    np.savez(folder / "k.npz", yaw=np.arange(12.0), pitch=np.zeros(12), gaze_x=np.float32(3))
    with VideoWriter(folder / "r.mp4", (48, 64), recipe={"preset": "tiny", "sampling": {"seed": 3}}) as writer:
        writer.write(np.stack([counting_frame(i) for i in range(4)]))
    return {
        "portrait": pictures,
        "speech": sounds,
        "driving": clips,
        "motion": [folder / "m.safetensors"],
        "controls": [folder / "k.csv", folder / "k.npz"],
        "recipe": [folder / "r.mp4"],
    }


def _heic(picture: Image.Image, folder: Path) -> list[Path]:
    try:
        import pillow_heif
    except ImportError:
        return []
    pillow_heif.from_pillow(picture).save(folder / "p.heic")
    return [folder / "p.heic"]


# ---- mutations -----------------------------------------------------------------------------------------------------


def mutate(data: bytes, other: bytes, rng: np.random.Generator) -> bytes:
    """One to three random changes of a file; ``other`` lends its header or a piece."""
    changed = bytearray(data)
    for _ in range(rng.choice([1, 1, 1, 2, 3])):
        changed = bytearray(MUTATIONS[rng.integers(len(MUTATIONS))](changed, other, rng))
    return bytes(changed)


def _place(data: bytearray, rng: np.random.Generator) -> int:
    """A position, half of the time within the header."""
    reach = min(len(data), 200) if rng.random() < 0.5 else len(data)
    return int(rng.integers(reach)) if reach else 0


def _truncate(data: bytearray, other: bytes, rng: np.random.Generator) -> bytes:
    return data[: _place(data, rng)]


def _flip(data: bytearray, other: bytes, rng: np.random.Generator) -> bytes:
    for _ in range(rng.integers(1, 20)):
        if data:
            data[_place(data, rng)] ^= 1 << int(rng.integers(8))
    return data


def _extreme(data: bytearray, other: bytes, rng: np.random.Generator) -> bytes:
    """A size or an offset that cannot be: 4 bytes of the file replaced."""
    at = _place(data, rng)
    data[at : at + 4] = EXTREMES[rng.integers(len(EXTREMES))]
    return data


def _noise(data: bytearray, other: bytes, rng: np.random.Generator) -> bytes:
    at, length = _place(data, rng), int(rng.integers(1, 64))
    data[at : at + length] = rng.bytes(length)
    return data


def _swap_header(data: bytearray, other: bytes, rng: np.random.Generator) -> bytes:
    length = int(rng.integers(4, 128))
    return other[:length] + data[length:]


def _insert(data: bytearray, other: bytes, rng: np.random.Generator) -> bytes:
    at = _place(data, rng)
    return data[:at] + other[at : at + int(rng.integers(1, 300))] + data[at:]


def _remove(data: bytearray, other: bytes, rng: np.random.Generator) -> bytes:
    at = _place(data, rng)
    return data[:at] + data[at + int(rng.integers(1, 300)) :]


def _repeat(data: bytearray, other: bytes, rng: np.random.Generator) -> bytes:
    at = _place(data, rng)
    part = data[at : at + int(rng.integers(1, 500))]
    return data[:at] + part * int(rng.integers(2, 8)) + data[at:]


MUTATIONS = (_truncate, _flip, _extreme, _noise, _swap_header, _insert, _remove, _repeat)


# ---- readers: each raises AssertionError where a result is not valid ------------------------------------------------

FRAMING = Framing(CropConfig())


def read_portrait(path: Path) -> None:
    image = load_portrait(path)
    assert image.dtype == np.uint8 and image.ndim == 3 and image.shape[2] == 3 and min(image.shape[:2]) >= 32
    FRAMING.of_picture(image, None)


def read_speech(path: Path) -> None:
    waveform = load_waveform(path, max_seconds=60)
    assert waveform.dtype == np.float32 and waveform.ndim == 1 and len(waveform) >= 3200
    assert np.isfinite(waveform).all() and np.abs(waveform).max() <= 1


def read_driving(path: Path) -> None:
    info = probe_video(path)
    expected = count_frames(path, max_seconds=20)
    shapes, frames = set(), 0
    for frame in read_frames(path, max_seconds=20):
        shapes.add(frame.shape)
        frames += 1
    assert frames >= 1 and shapes == {(info.height, info.width, 3)}, f"{frames} frames, {shapes}, {info}"
    assert expected >= 0
    try:
        FRAMING.clip(path)
    except NoFaceError:
        return


def read_motion(path: Path) -> None:
    motion = load_motion(path).motion
    assert motion.ndim == 2 and motion.shape[1] == MOTION_DIM and bool(torch.isfinite(motion).all())


def read_controls(path: Path) -> None:
    controls = MotionControls.from_csv(path) if path.suffix == ".csv" else MotionControls.from_npz(path)
    assert controls.num_frames >= 1
    controls.window(0, 5)


def read_comment(path: Path) -> None:
    recipe = read_recipe(path)
    assert recipe is None or isinstance(recipe, dict)


READERS: dict[str, Callable[[Path], None]] = {
    "portrait": read_portrait,
    "speech": read_speech,
    "driving": read_driving,
    "motion": read_motion,
    "controls": read_controls,
    "recipe": read_comment,
}
SHARE = {"portrait": 0.3, "speech": 0.2, "driving": 0.2, "motion": 0.1, "controls": 0.1, "recipe": 0.1}


# ---- the run -------------------------------------------------------------------------------------------------------


def run(count: int, seed: int, seconds: float = float("inf")) -> tuple[Counter, list[Finding]]:
    """Read ``count`` mutated files, or as many as ``seconds`` allow; outcomes per kind, and what must not happen."""
    end = time.monotonic() + seconds
    outcomes: Counter = Counter()
    findings: list[Finding] = []
    with tempfile.TemporaryDirectory(prefix="fuzz-") as top:
        folder = Path(top) / "work"
        folder.mkdir()
        (Path(top) / "samples").mkdir()
        samples = make_samples(Path(top) / "samples")
        everything = [path.read_bytes() for paths in samples.values() for path in paths]
        for paths in samples.values():  # all are valid as they are, and everything is warmed up
            for path in paths:
                READERS[next(kind for kind in samples if path in samples[kind])](path)
        for case in range(count):
            if time.monotonic() > end:
                break
            rng = np.random.default_rng([seed, case])
            kind = list(SHARE)[rng.choice(len(SHARE), p=list(SHARE.values()))]
            source = samples[kind][rng.integers(len(samples[kind]))]
            data = mutate(source.read_bytes(), everything[rng.integers(len(everything))], rng)
            outcome, problem = _read(kind, folder / source.name, data, folder)
            outcomes[f"{kind}: {outcome}"] += 1
            if problem:
                findings.append(Finding(kind, source.name, case, problem))
    return outcomes, findings


def _read(kind: str, path: Path, data: bytes, folder: Path) -> tuple[str, str | None]:
    path.write_bytes(data)
    before, descriptors, began = _peak(), _descriptors(), time.monotonic()
    problem = None
    try:
        with _time_limit():
            READERS[kind](path)
        outcome = "read"
    except ImTalkerError as error:
        outcome = "refused"
        if "\n" in str(error) or len(str(error)) > 500:
            problem = f"not one line of words: {str(error)[:200]!r}"
    except BaseException as error:  # what is looked for
        outcome = "finding"
        if isinstance(error, KeyboardInterrupt):
            raise
        place = traceback.extract_tb(error.__traceback__)[-1]
        problem = f"{type(error).__name__}: {str(error)[:160]} ({Path(place.filename).name}:{place.lineno})"
    path.unlink()
    if _peak() - before > MEMORY:
        problem = problem or f"{_peak() - before:.0f} MB"
    if _descriptors() > descriptors:
        problem = problem or f"{_descriptors() - descriptors} files left open"
    if time.monotonic() - began > SECONDS:
        problem = problem or f"{time.monotonic() - began:.0f} s"
    if left := sorted(item.name for item in folder.iterdir()):
        problem = problem or f"left behind: {left}"
        for item in folder.iterdir():
            item.unlink()
    return "finding" if problem else outcome, problem


@contextmanager
def _time_limit() -> Iterator[None]:
    def stop(*_: object) -> None:
        raise TimeoutError(f"more than {2 * SECONDS} s")

    before = signal.signal(signal.SIGALRM, stop)
    signal.alarm(2 * SECONDS)
    try:
        yield
    finally:
        signal.alarm(0)
        signal.signal(signal.SIGALRM, before)


def _peak() -> float:
    """Largest memory of this process so far, MB."""
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return peak / 2**20 if sys.platform == "darwin" else peak / 1024


def _descriptors() -> int:
    folder = Path("/proc/self/fd")
    return len(list(folder.iterdir())) if folder.is_dir() else 0


def main() -> int:
    """The longer run by hand; prints a JSON object, exit code 1 with findings."""
    parser = argparse.ArgumentParser(description="Read damaged files of every kind")
    parser.add_argument("--count", type=int, default=5000)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--seconds", type=float, default=float("inf"), help="stop after so long")
    arguments = parser.parse_args()
    os.environ.setdefault("AV_LOG_LEVEL", "quiet")
    began = time.monotonic()
    outcomes, findings = run(arguments.count, arguments.seed, arguments.seconds)
    told = {
        "files": sum(outcomes.values()),
        "seconds": round(time.monotonic() - began, 1),
        "peak_mb": round(_peak()),
        "outcomes": dict(sorted(outcomes.items())),
        "findings": [vars(finding) for finding in findings],
    }
    print(json.dumps(told, indent=1))  # noqa: T201
    return 1 if findings else 0


if __name__ == "__main__":
    sys.exit(main())
