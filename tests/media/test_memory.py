"""Memory is bounded by design: child processes read the largest inputs and tell their peaks."""

import json
import subprocess
import sys
from pathlib import Path

import pytest
from PIL import Image

PROGRAM = """
import json, os, resource, sys
import numpy as np
from imtalker.errors import InputError
from imtalker.pipeline.animation import FrameChunk
from imtalker.pipeline.finishing import Finisher, FinishOptions
from imtalker.pipeline.inputs import SourceImage
from imtalker.media.crop import CropBox, crop_and_resize
from imtalker.media.framing import Framing, parse_crop
from imtalker.media.image import load_portrait
from imtalker.config import CropConfig
from imtalker.pipeline.timing import Timings

def finish(image, box, **options):
    for _ in range(3):
        squares = np.repeat(crop_and_resize(image, box, 256)[None], 4, axis=0)
        finisher = Finisher(SourceImage(image, box, {}), 256, FinishOptions(**options))
        done = [chunk.frames for chunk in finisher.finish([FrameChunk(squares, 0, 4)])]
    return done[-1]

def peak():
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024

for name, (path, work) in json.load(sys.stdin).items():  # the imports are made once; each case has its own process
    if os.fork() == 0:
        base = peak()
        exec(work, globals() | {"path": path})
        print(json.dumps([name, peak() - base]), flush=True)
        os._exit(0)
    os.wait()
"""
CASES = {
    "48 megapixels are read": ((8064, 6048), "load_portrait(path)", 420),
    "48 megapixels": ((8064, 6048), "finish(load_portrait(path), CropBox(3000, 1500, 2400), paste_back=True)", 800),
    "48 megapixels, turned": (
        (8064, 6048),
        "finish(load_portrait(path), CropBox(3000, 1500, 2400, 33), paste_back=True, label=True)",
        800,
    ),
    "screenshot": ((1080, 12000), "finish(load_portrait(path), CropBox(0, 5000, 1080), paste_back=True)", 300),
    "endless": (
        (500, 49000),
        """
image = load_portrait(path)
box = Framing(CropConfig()).of_picture(image, None)
finish(image, box)
finish(image, box, paste_back=True)
""",
        400,
    ),
    "a square by hand": (
        (1080, 1080),
        "finish(load_portrait(path), CropBox(-1000, -1000, 4320), paste_back=True)",
        300,
    ),
    "a square too large": (
        (1080, 1080),
        """
i = load_portrait(path)
for text in ("0,0,100000", "0,0,4321", "-99999,0,100000", "0,0,2000000000,45"):
    try:
        Framing(CropConfig()).of_picture(i, parse_crop(text))
    except InputError as error:
        assert text.split(",")[2] in str(error), error
    else:
        raise SystemExit("not refused: " + text)
""",
        200,
    ),
}


@pytest.fixture(scope="module")
def told(tmp_path_factory) -> tuple[dict[str, float], str]:
    """Case -> MB above what the imports take, and what went wrong in the others."""
    folder: Path = tmp_path_factory.mktemp("large")
    work = {}
    for name, (size, code, _) in CASES.items():
        path = folder / f"{size[0]}x{size[1]}.{'jpg' if max(size) < 20000 else 'png'}"
        if not path.exists():
            Image.new("RGB", size, (120, 90, 60)).save(path)
        work[name] = str(path), code
    done = subprocess.run(
        [sys.executable, "-c", PROGRAM], input=json.dumps(work), capture_output=True, text=True, timeout=240
    )
    return dict(map(json.loads, done.stdout.splitlines())), done.stderr


@pytest.mark.skipif(sys.platform == "win32", reason="the peak of a process is read the Unix way")
@pytest.mark.parametrize("name", CASES)
def test_peak_memory(told, name):
    peaks, errors = told
    assert name in peaks, errors[-600:]
    assert peaks[name] < CASES[name][2]
