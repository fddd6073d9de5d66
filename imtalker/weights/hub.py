"""Official weights from the Hub: downloaded, verified, converted once, then found in the cache."""

import hashlib
import json
import logging
import os
import re
import shutil
import tempfile
from collections.abc import Callable
from dataclasses import asdict
from pathlib import Path

from filelock import FileLock, Timeout
from huggingface_hub import constants, hf_hub_download
from huggingface_hub.errors import (
    EntryNotFoundError,
    GatedRepoError,
    HTTPError,  # pyright: ignore[reportPrivateImportUsage] (of the HTTP client the library comes with)
    LocalEntryNotFoundError,
    RepositoryNotFoundError,
    RevisionNotFoundError,
    XetDownloadError,
)

from imtalker.errors import OutputError, WeightsError
from imtalker.media.folders import CACHE_VARIABLE, cache_folder, home_folder
from imtalker.weights.convert import convert_checkpoints
from imtalker.weights.file import FORMAT, file_sha256
from imtalker.weights.presets import BASE_REVISION_VARIABLE, HubFile, Preset

log = logging.getLogger(__name__)

ORIGIN_FILE = "origin.json"  # what a converted folder was made from
REMEDY = "connect once, or convert downloaded files with imtalker convert, or use the bundled preset tiny"


def official_weights(preset: Preset, progress: Callable[[str], None] | None = None) -> Path:
    """The folder with the converted weights of a preset from the Hub, made on first use.

    The folder is named after repository, revision and checksums, so another revision gets another folder. One
    process converts while others wait; the folder appears when it is complete.

    Args:
        progress: receives a line before every long step.
    Raises:
        WeightsError: the Hub cannot be reached, lacks a file, or sent something else than expected.
    """
    try:
        folder = cache_folder() / _folder_name(preset)
    except OutputError as error:
        raise WeightsError(f"the {preset.name} weights cannot be kept anywhere: {error}") from error
    if (folder / ORIGIN_FILE).is_file():
        return folder
    report = progress or log.info
    try:
        folder.parent.mkdir(parents=True, exist_ok=True)
        lock = FileLock(folder.with_name(folder.name + ".lock"))
        try:
            lock.acquire(timeout=0)
        except Timeout:
            report(f"waiting for another process that prepares the {preset.name} weights")
            lock.acquire()
        try:
            if not (folder / ORIGIN_FILE).is_file():
                _prepare(preset, folder, report)
        finally:
            lock.release()
    except OSError as error:
        raise WeightsError(
            f"{folder}: cannot be written ({error}); set {CACHE_VARIABLE} to a folder with 5 GB of space"
        ) from error
    return folder


def _folder_name(preset: Preset) -> str:
    wanted = json.dumps([FORMAT, [asdict(file) for file in preset.files]])
    revision = re.sub(r"[^\w.-]", "_", preset.files[0].revision)
    return f"{preset.name}-{revision}-{hashlib.sha256(wanted.encode()).hexdigest()[:12]}"


def _prepare(preset: Preset, folder: Path, report: Callable[[str], None]) -> None:
    paths, origin = [], []
    for file in preset.files:
        report(f"fetching {file.name} from {file.repo}")
        path = fetch(file)
        report(f"verifying {file.name}")
        origin.append(asdict(file) | {"commit": _commit(path), "found_sha256": verify(path, file)})
        paths.append(path)
    report("converting the official checkpoints (once)")
    with tempfile.TemporaryDirectory(prefix=f".{folder.name}-", dir=folder.parent) as temporary:
        made = convert_checkpoints(paths[0], paths[1], Path(temporary) / "weights")
        (made / ORIGIN_FILE).write_text(json.dumps({"files": origin}, indent=2))
        shutil.rmtree(folder, ignore_errors=True)  # of an older, damaged one
        os.replace(made, folder)


def fetch(file: HubFile) -> Path:
    """Path of a Hub file in the local cache, downloaded if need be. A broken connection is resumed."""
    endpoint = os.environ.get("HF_ENDPOINT", constants.ENDPOINT)
    homeless = home_folder() is None and not os.environ.get("HF_HOME")
    cache = cache_folder() / "hub" if homeless or os.environ.get(CACHE_VARIABLE) else None
    what = f"{file.repo}/{file.name} at revision {file.revision}"
    try:
        return Path(
            hf_hub_download(
                file.repo, file.name, revision=file.revision, cache_dir=cache, endpoint=endpoint.rstrip("/")
            )
        )
    except GatedRepoError as error:
        raise WeightsError(f"{what}: needs permission on {endpoint}; log in with hf auth login") from error
    except (RepositoryNotFoundError, RevisionNotFoundError) as error:
        raise WeightsError(
            f"{what}: not on {endpoint}; check {BASE_REVISION_VARIABLE}, or use the bundled preset tiny"
        ) from error
    except LocalEntryNotFoundError as error:
        raise WeightsError(f"{what}: not downloaded yet and {endpoint} cannot be reached; {REMEDY}") from error
    except EntryNotFoundError as error:
        raise WeightsError(
            f"{what}: no such file on {endpoint}; check {BASE_REVISION_VARIABLE}, or use the preset tiny"
        ) from error
    except (HTTPError, XetDownloadError, OSError) as error:
        reason = " ".join(str(error).split())[:200]
        raise WeightsError(f"{what}: the download failed ({reason}); try again") from error


def verify(path: Path, file: HubFile) -> str:
    """SHA-256 of a downloaded file, after comparing it with what the preset and the Hub say it is.

    The Hub names large files by their SHA-256, and the cache keeps that name. When they differ, the file is
    deleted, so that the next attempt downloads it again, and WeightsError is raised.
    """
    blob = path.resolve()
    found = file_sha256(path)
    named = blob.name if re.fullmatch(r"[0-9a-f]{64}", blob.name) else None
    expected = file.sha256 or named
    if expected is not None and found != expected:
        path.unlink()
        blob.unlink(missing_ok=True)
        raise WeightsError(
            f"{file.name}: sha256 is {found[:16]}..., expected {expected[:16]}...; it was deleted, try again"
        )
    return found


def _commit(path: Path) -> str:
    """The commit a cached file belongs to: the folder below ``snapshots``."""
    parts = path.parts
    return parts[parts.index("snapshots") + 1] if "snapshots" in parts else "unknown"
