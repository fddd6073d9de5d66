"""Errors a caller is expected to handle. Each message is one line: the value, what is wrong with it, the remedy."""


class ImTalkerError(Exception):
    """Base of every error raised on purpose by this package."""


class InputError(ImTalkerError, ValueError):
    """A file, an array or an option that was passed in cannot be used."""


class NoFaceError(InputError):
    """No usable face was found where one is needed."""


class WeightsError(ImTalkerError):
    """Weights are missing, damaged, of the wrong revision, or cannot be fetched."""


class OutputError(ImTalkerError):
    """A result cannot be written where it was asked for."""
