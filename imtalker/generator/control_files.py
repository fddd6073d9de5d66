"""Control files: named columns of numbers, one row per frame, as CSV or NumPy archive."""

import csv
import zipfile
import zlib
from pathlib import Path

import numpy as np

from imtalker.errors import InputError

INDEX_COLUMNS = ("frame", "time")  # allowed for the reader's convenience, not used


def read_csv_columns(path: Path) -> dict[str, np.ndarray]:
    """Columns ``(T,)`` of a CSV file with a header line; raises ``InputError`` naming the line that fails."""
    try:
        with path.open(newline="", encoding="utf-8-sig") as file:
            rows = [row for row in csv.reader(file) if any(cell.strip() for cell in row)]
    except OSError as error:
        raise InputError(f"cannot read the controls {path}: {error.strerror}") from error
    except (UnicodeDecodeError, csv.Error) as error:
        raise InputError(f"{path} is not a CSV text file; give a header and one line per frame") from error
    if len(rows) < 2:
        raise InputError(f"{path} has no frames; give a header line and one line per frame")
    header = [name.strip().lower() for name in rows[0]]
    if len(set(header)) < len(header):
        raise InputError(f"{path} names a column twice; give each column once")
    values = np.empty((len(rows) - 1, len(header)), np.float32)
    for line, row in enumerate(rows[1:]):
        if len(row) != len(header):
            raise InputError(f"{path}: row {line + 1} has {len(row)} cells, not {len(header)}; complete it")
        try:
            values[line] = [float(cell) for cell in row]
        except ValueError as error:
            raise InputError(f"{path}: row {line + 1} has a cell that is not a number; correct it") from error
    return {name: values[:, i] for i, name in enumerate(header) if name not in INDEX_COLUMNS}


def read_npz_columns(path: Path) -> dict[str, np.ndarray]:
    """Arrays of a NumPy archive by name; nothing in the file is executed."""
    try:
        with np.load(path, allow_pickle=False) as archive:
            if not isinstance(archive, np.lib.npyio.NpzFile):
                raise InputError(f"{path} holds an array without a name; save columns with numpy.savez")
            columns = {name: archive[name] for name in archive.files if name not in INDEX_COLUMNS}
    except InputError:
        raise
    except (OSError, ValueError, EOFError, RuntimeError, zlib.error, zipfile.BadZipFile) as error:
        raise InputError(f"{path} is not a NumPy archive (.npz); save columns with numpy.savez") from error
    lengths = {array.shape[0] for array in columns.values() if array.ndim == 1}
    if any(array.ndim > 1 for array in columns.values()) or len(lengths) > 1:
        raise InputError(f"{path}: columns differ in shape; give one value per frame in each")
    return columns
