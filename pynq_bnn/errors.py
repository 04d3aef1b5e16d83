"""The errors a user can act on; every message says what was given, what fits and what to do next."""


class PynqBnnError(Exception):
    """Base of every error that pynq-bnn raises on purpose."""


def first_line(error: Exception) -> str:
    """The first line of another library's error message, or its type if it has none; for use in our messages."""
    return (str(error).strip().splitlines() or [type(error).__name__])[0][:200]


class ImageError(PynqBnnError):
    """A picture cannot be read, or no network accepts its shape or type."""


class NetworkFileError(PynqBnnError):
    """A ``.bnn`` file is damaged, of another version, or holds a field out of range."""


class NetworkError(PynqBnnError):
    """A network or topology table contradicts itself or asks for something unsupported."""


class DataError(PynqBnnError):
    """A data set directory is missing files or has the wrong layout."""


class TrainError(PynqBnnError):
    """A training, checkpoint or compilation cannot continue."""


class ImportFolderError(PynqBnnError):
    """A foreign parameter folder cannot be converted."""


class BackendError(PynqBnnError):
    """A backend is missing, cannot start, or does not fit the network."""


class CameraError(PynqBnnError):
    """A camera or video cannot be opened, read, shown or recorded."""


class OutputError(PynqBnnError):
    """A result cannot be written."""
