"""``classify(image)`` and the :class:`Classifier` that it uses."""

from __future__ import annotations

import os
import threading
import time
from collections import deque
from collections.abc import Generator, Iterable, Iterator
from contextlib import closing, contextmanager
from itertools import islice
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple, Union, overload

import numpy as np

from ..arrays import Array
from ..backends import create_backend
from ..backends.base import Backend, Stopwatch
from ..camera.frames import Frames, Source
from ..errors import NetworkError
from ..files import file_state
from ..network import Network
from ..pictures.preparation import Preparation
from ..pictures.preprocess import Picture
from ..pictures.reading import AnyPicture, OnePicture, Several, Tensor, channels_last, is_tensor, tensor_array
from ..zoo import find_network
from .live import LiveResult, live_results
from .result import BatchResult, Result, Timing, batch_result, single_results
from .verify import VerifyReport, verify_backend

if TYPE_CHECKING:
    from typing_extensions import Self

# Pictures are preprocessed in groups, one group while the backend computes another; arrays that need no preprocessing
# are split into larger groups.
GROUP, READY_GROUP = 64, 1024


class Classifier:
    """A network on a backend, ready to classify.

    Parameters
    ----------
    network : str, path or Network
        The name of a shipped network (``pynq_bnn.zoo.shipped()``), the path of a ``.bnn`` file, or a
        network in memory.
    backend : str
        "auto": the board's overlay if there is one, else "cpu". "rtl" simulates the accelerator.
    fit : str, optional
        How pictures of another size are fitted, instead of the network's own rule: "letterbox",
        "extend", "crop", "stretch" or "digit"; or the preprocessing of BNN-PYNQ: "bnn-pynq", for 32×32 colour
        networks also "bnn-pynq-64" (shrunk to 64 pixels first), for 28×28 grey ones "bnn-pynq-chars" (as in its
        notebook for characters instead of the one for digits).
    trace : str or Path, optional
        With the backend "rtl": FST file for the waves of the simulated accelerator.

    Raises
    ------
    PynqBnnError
        The network cannot be found or read, or the backend is not available.

    Examples
    --------
    >>> with Classifier("cnv-cifar10") as classifier:
    ...     print(classifier.classify("cat.jpg").label)
    """

    def __init__(self, network: Union[str, Path, Network] = "cnv-cifar10", backend: str = "auto", *,
                 fit: str | None = None, trace: str | Path | None = None) -> None:
        self.network = network if isinstance(network, Network) else find_network(network)
        self._preparation = Preparation(self.network.input, fit)
        self.backend = create_backend(backend, self.network, trace=trace)
        self.timing = Timing()

    @property
    def classes(self) -> tuple[str, ...]:
        return self.network.output.classes

    @overload
    def classify(self, image: OnePicture) -> Result: ...

    @overload
    def classify(self, image: Several[AnyPicture]) -> list[Result]: ...

    @overload
    def classify(self, image: Array | Tensor) -> Result | BatchResult: ...

    def classify(self, image: Picture | list[Any] | tuple[Any, ...]) -> Result | list[Result] | BatchResult:
        """Classify one picture, a list of them, or an array of many.

        Parameters
        ----------
        image : path, binary stream, PIL image, (H, W) or (H, W, C) uint8 array or torch tensor; a list of these; or
        (N, H, W, C) uint8
            Channels are red, green, blue in this order. ``cv2.imread`` and ``cv2.VideoCapture`` return
            blue, green, red, which cannot be detected: write ``classify(frame[:, :, ::-1])``. A fourth channel is
            alpha; channels may come first, (C, H, W), if the shape is unambiguous.

        Returns
        -------
        Result
            For one picture; for a list, a list of results; for an (N, H, W, C) array, a :class:`BatchResult`.

        Raises
        ------
        ImageError
            A picture cannot be read, or an array has another type or shape.
        """
        self._require_open()
        if is_tensor(image):
            image = tensor_array(image)
        if isinstance(image, np.ndarray) and image.ndim == 4:
            return self._classify_array(image)
        if isinstance(image, (list, tuple)):
            return list(self.stream(image))
        return self._answer(image)

    @overload
    def stream(self, source: Source | Frames, frames: int | None = None) -> Generator[LiveResult, None, None]: ...

    @overload
    def stream(self, source: Iterable[Picture], frames: int | None = None) -> Generator[Result, None, None]: ...

    def stream(self, source: Source | Frames | Iterable[Picture],
               frames: int | None = None) -> Generator[Result, None, None]:
        """Classify pictures one after the other: from a camera, a video, a folder, or any iterable.

        With a camera, each answer is for its newest frame. Closing the iterator, or leaving its loop, releases the
        camera or file.

        Parameters
        ----------
        source : int, str, Path; or iterable of single pictures as for :meth:`classify`
            The number of a camera, the path of a video, of a folder of pictures or of a sequence such as
            ``shot-%04d.png`` (see :func:`~pynq_bnn.camera.frames.open_frames`). From an iterable, dozens of pictures
            are taken at a time; a board computes some while the next are preprocessed and results are used.
        frames : int, optional
            Stop after this many pictures.

        Yields
        ------
        LiveResult
            For each frame of a camera, video or folder: a :class:`Result` with the frame, its number and the rate.
        Result
            For each picture of an iterable.

        Raises
        ------
        CameraError
            There is no such camera or file, it cannot be read, or OpenCV is missing.
        ImageError
            A picture cannot be read, or an array has another type or shape.
        """
        self._require_open()
        if isinstance(source, (int, str, Path, Frames, np.integer)) or not isinstance(source, Iterable):
            return live_results(source, self._answer, self.box, frames)
        return self._results(source if frames is None else islice(source, frames))

    def _answer(self, picture: Picture) -> Result:
        (answer,) = self._results([picture])
        return answer

    def _results(self, pictures: Iterable[Picture]) -> Generator[Result, None, None]:
        rest = iter(pictures)

        def groups() -> Iterator[Array]:
            while group := [self._preparation.one(picture) for picture in islice(rest, GROUP)]:
                yield np.stack(group)

        with closing(self._batches(groups())) as batches:
            for batch in batches:
                yield from single_results(self.network.output, batch.sums, batch.pixels, batch.blank)

    def _batches(self, pieces: Iterable[Array]) -> Generator[_Batch, None, None]:
        """The outcome of each non-empty array of ``pieces``; all classification goes through here."""
        backend = self._require_open()
        began, preparing, images = time.perf_counter(), Stopwatch(), 0
        waiting: deque[tuple[Array, Array]] = deque()

        def ready() -> Iterator[Array]:
            for pixels in pieces:
                if len(pixels):
                    waiting.append((pixels, self._preparation.blank(pixels)))
                    yield pixels

        with closing(backend.stream(preparing.watch(ready()))) as stream:
            for sums in stream:
                images += len(sums)
                yield _Batch(sums, *waiting.popleft())
        last, wall = backend.last_time, time.perf_counter() - began
        self.timing = Timing(images, preparing.seconds, last.transfer, last.compute, wall)

    def classify_arrays(self, arrays: Iterable[Array]) -> BatchResult:
        """Classify arrays of pictures as if they were one; on a board, one is preprocessed while another is computed.

        Parameters
        ----------
        arrays : iterable of (n, H, W, C) uint8

        Raises
        ------
        ImageError
            An array has another type or shape.
        """
        sums, blank = [np.zeros((0, len(self.classes)), np.int32)], [np.zeros(0, bool)]
        with closing(self._batches(map(self._preparation.many, arrays))) as batches:
            for batch in batches:
                sums.append(batch.sums)
                blank.append(batch.blank)
        return batch_result(self.network.output, np.concatenate(sums), np.concatenate(blank))


    def _classify_array(self, pictures: Array) -> BatchResult:
        step = READY_GROUP if channels_last(pictures).shape[1:] == self.network.input.shape else GROUP
        return self.classify_arrays(pictures[start:start + step] for start in range(0, max(1, len(pictures)), step))

    def prepare(self, picture: Picture) -> Array:
        """The (H, W, C) uint8 pixels that the network sees of ``picture``."""
        return self._preparation.one(picture)

    def box(self, picture: Picture) -> tuple[int, int, int, int]:
        """The part of ``picture`` that :meth:`prepare` uses: (left, top, right, bottom) in pixels."""
        return self._preparation.box(picture)

    def verify(self, images: int = 8, pixels: Array | None = None) -> VerifyReport:
        """Check the backend: the golden image first, then every layer's map against an independent engine.

        Parameters
        ----------
        images : int
            Number of noise pictures, if no ``pixels`` are given.
        pixels : (N, H, W, C) uint8, optional
        """
        return verify_backend(self._require_open(), images, pixels)

    def _require_open(self) -> Backend:
        """The backend. Each call fetches it only once, since another thread may close the classifier meanwhile."""
        backend = self.backend
        if backend is None:
            raise NetworkError("this Classifier is closed; make a new one")
        return backend

    def close(self) -> None:
        """Free the backend; the classifier cannot be used any more."""
        backend, self.backend = self.backend, None  # type: ignore[assignment]  # see _require_open
        if backend is not None:
            backend.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *exc: object) -> None:
        self.close()


class _Batch(NamedTuple):
    """(N, K) int32 ``sums`` of (N, H, W, C) uint8 ``pixels``; ``blank`` : (N,) bool, pictures that show nothing."""

    sums: Array
    pixels: Array
    blank: Array


class _Kept:
    """The classifier of the network that ``classify`` was last called with, shared by all threads.

    A call with another network replaces it at once; it is closed when the last call that uses it has ended.
    """

    _last: _Kept | None = None
    _lock = threading.Lock()

    def __init__(self, key: tuple[object, ...], classifier: Classifier) -> None:
        self.key, self.classifier, self.calls = key, classifier, 0

    @classmethod
    @contextmanager
    def borrow(cls, network: Union[str, Path], backend: str) -> Iterator[Classifier]:
        """The kept classifier; a new one if the name, file or backend has changed since the last call."""
        key = (str(network), file_state(network), backend)
        with cls._lock:
            if cls._last is None or cls._last.key != key:
                replaced, cls._last = cls._last, None
                if replaced is not None and not replaced.calls:
                    replaced.classifier.close()  # before the next one needs the memory
                cls._last = cls(key, Classifier(network, backend))
            kept = cls._last
            kept.calls += 1
        try:
            yield kept.classifier
        finally:
            with cls._lock:
                kept.calls -= 1
                unused = not kept.calls and kept is not cls._last
            if unused:
                kept.classifier.close()

    @classmethod
    def forget(cls) -> None:
        """After a fork, in the child: the kept classifier belongs to the parent, whose threads may hold the lock."""
        cls._last, cls._lock = None, threading.Lock()


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_Kept.forget)


@overload
def classify(image: OnePicture, network: str | Path | Network = ..., backend: str = ...) -> Result: ...


@overload
def classify(image: Several[AnyPicture], network: str | Path | Network = ..., backend: str = ...) -> list[Result]: ...


@overload
def classify(image: Array | Tensor, network: str | Path | Network = ...,
             backend: str = ...) -> Result | BatchResult: ...


def classify(image: Picture | list[Any] | tuple[Any, ...], network: str | Path | Network = "cnv-cifar10",
             backend: str = "auto") -> Result | list[Result] | BatchResult:
    """Classify pictures with a shipped network, a ``.bnn`` file or a network in memory.

    The classifier of the network used last is kept, so that repeated calls load it once. See
    :meth:`Classifier.classify` for what ``image`` may be, what is returned and what is raised. Arrays are RGB; OpenCV's
    are BGR: ``classify(cv2.imread("cat.jpg")[:, :, ::-1])``.

    >>> classify("cat.jpg").label
    'cat'
    """
    if isinstance(network, Network):
        with Classifier(network, backend) as classifier:
            return classifier.classify(image)
    with _Kept.borrow(network, backend) as classifier:
        return classifier.classify(image)
