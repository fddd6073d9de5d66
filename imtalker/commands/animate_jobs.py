"""Which videos a command line asks for: files, several files, folders."""

from collections.abc import Iterable
from dataclasses import dataclass
from itertools import product
from pathlib import Path

from imtalker.errors import InputError, OutputError
from imtalker.media.atomic import checked_target
from imtalker.media.folders import expanded

PICTURES = {".jpg", ".jpeg", ".png", ".webp", ".avif", ".heic", ".heif", ".bmp", ".tif", ".tiff", ".gif"}
SOUNDS = {".wav", ".mp3", ".m4a", ".aac", ".ogg", ".opus", ".flac", ".webm", ".mp4", ".mov", ".mkv"}
CLIPS = {".mp4", ".mov", ".webm", ".mkv", ".gif", ".avi", ".m4v"}


@dataclass(frozen=True)
class Job:
    """One video to make."""

    portrait: Path
    driver: Path | None  # speech or driving clip; None: motion from a file without sound
    output: Path


def plan_jobs(portraits: list[str], drivers: list[str], kinds: set[str], output: str | None) -> tuple[list[Job], bool]:
    """Every portrait with every driver, and whether that is a batch (several, or a folder was named).

    Args:
        drivers: speech files or clips; empty if the motion comes from elsewhere.
        kinds: suffixes taken from a folder of drivers.
        output: a file for one video, a folder for a batch (made if missing); None: here.

    Raises:
        InputError: a folder without usable files; OutputError: a batch into a file.
    """
    pictures, many_pictures = _expand(portraits, PICTURES)
    sources, many_sources = _expand(drivers, kinds)
    batch = many_pictures or many_sources
    pairs = list(product(pictures, sources or [None]))
    if not batch:
        picture, source = pairs[0]
        target = Path(output) if output else Path(video_name(picture, source))
        target = target / video_name(picture, source) if target.is_dir() else target
        return [Job(picture, source, target)], False
    folder = Path(output or ".")
    if folder.suffix or folder.is_file():
        raise OutputError(f"output {folder} is a file, but several videos are to be made; give a folder")
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise OutputError(f"output folder {folder} cannot be made ({error.strerror}); choose another") from error
    jobs: list[Job] = []
    taken: set[Path] = set()
    for picture, source in pairs:
        target = folder / video_name(picture, source)
        number = 2
        while target in taken:  # two inputs of the same name from different folders
            target = folder / f"{Path(video_name(picture, source)).stem}_{number}.mp4"
            number += 1
        taken.add(target)
        jobs.append(Job(picture, source, target))
    return jobs, True


def _expand(names: list[str], kinds: set[str]) -> tuple[list[Path], bool]:
    files: list[Path] = []
    for name in names:
        path = expanded(name)
        if not path.is_dir():
            files.append(path)
            continue
        inside = sorted(f for f in path.iterdir() if f.suffix.lower() in kinds and not f.name.startswith("."))
        if not inside:
            raise InputError(f"folder {path} holds none of {', '.join(sorted(kinds))}; name files or another folder")
        files += inside
    return files, len(names) > 1 or any(expanded(name).is_dir() for name in names)


def video_name(picture: Path, source: Path | None) -> str:
    """What a video is called where no name was given."""
    return f"{picture.stem}_{source.stem}.mp4" if source else f"{picture.stem}_animated.mp4"


def check_job(job: Job) -> None:
    """Raise OutputError for a target that cannot be written, InputError for one that is also an input."""
    check_target(job.output, (job.portrait, job.driver))


def check_target(output: Path, sources: Iterable[Path | None]) -> Path:
    """The path of a video to write. Raises as ``check_job``."""
    target = checked_target(output, (".mp4",))
    for source in sources:
        if source is not None and target.exists() and source.exists() and target.samefile(source):
            raise InputError(f"output {target} is also an input; choose another name")
    return target
