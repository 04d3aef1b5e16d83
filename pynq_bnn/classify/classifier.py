"""``classify(image)`` and the :class:`Classifier` behind it."""

from __future__ import annotations

import os
import threading
import time
from collections import deque
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import closing, contextmanager
from dataclasses import replace
from functools import partial
from itertools import islice
from pathlib import Path
from typing import Union

import numpy as np

from ..backends import create_backend
from ..backends.base import Backend, Stopwatch
from ..errors import ImageError, NetworkError
from ..files import file_state
from ..interop.old_preprocessing import bnn_pynq_pixels
from ..network import InputSpec, Network
from ..zoo import find_network
from .camera import Frames, Source
from .live import live_results
from .preprocess import Picture, network_input, seen_box
from .result import BatchResult, Result, Timing, batch_result, single_results
from .verify import VerifyReport, verify_backend

# Pictures are made ready in groups, one while the backend computes another; those that are ready come in larger ones.
GROUP, READY_GROUP = 64, 1024
# Preprocessing of BNN-PYNQ, and whether it goes by way of 64 pixels.
BNN_PYNQ_FITS = {"bnn-pynq": False, "bnn-pynq-64": True}


class Classifier:
    """A network on a backend, ready to classify.

    Parameters
    ----------
    network : str, path or Network
        The name of a shipped network (``pynq_bnn.zoo.shipped()``), the path of a ``.bnn`` file, or a
        network in memory.
    backend : str
        "auto": the board's overlay when there is one, else "cpu". "rtl" simulates the accelerator.
    fit : str, optional
        How pictures of another size are fitted, instead of the network's own rule: "letterbox",
        "extend", "crop", "stretch" or "digit"; for 32×32 colour networks also "bnn-pynq", the preprocessing of
        that project, and "bnn-pynq-64", the same by way of 64 pixels.
    trace : str or Path, optional
        With the backend "rtl": FST file for the waves of the simulated accelerator.

    Raises
    ------
    PynqBnnError
        The network cannot be found or read, or the backend cannot be had.

    Examples
    --------
    >>> with Classifier("cnv-cifar10") as classifier:
    ...     print(classifier.classify("cat.jpg").label)
    """

    def __init__(self, network: Union[str, Path, Network] = "cnv-cifar10", backend: str = "auto", *,
                 fit: str | None = None, trace: str | Path | None = None) -> None:
        self.network = network if isinstance(network, Network) else find_network(network)
        self._prepare, self._box = _preparation(self.network.input, fit)
        self.backend = create_backend(backend, self.network, trace=trace)
        self.timing = Timing()

    @property
    def classes(self) -> tuple[str, ...]:
        return self.network.output.classes

    def classify(self, image: Union[Picture, Sequence[Picture]]) -> Union[Result, list[Result], BatchResult]:
        """Classify one picture, a list of them, or an array of many.

        Parameters
        ----------
        image : path, PIL image, (H, W) or (H, W, C) uint8 array; a list of these; or (N, H, W, C) uint8

        Returns
        -------
        Result
            For one picture; a list of them for a list; for an (N, H, W, C) array a :class:`BatchResult`.

        Raises
        ------
        ImageError
            A picture cannot be read, or an array has another type or shape.
        """
        self._require_open()
        if isinstance(image, np.ndarray) and image.ndim == 4:
            return self._classify_array(image)
        if isinstance(image, (list, tuple)):
            return list(self.stream(image))
        return list(self.stream([image]))[0]

    def stream(self, source: Union[Source, Frames, Iterable[Picture]], frames: int | None = None) -> Iterator[Result]:
        """Classify pictures as they come: those of a camera, a video or a folder, or of any iterable.

        Of a camera every answer is that for its newest frame. Closing the iterator, or leaving its loop, gives camera
        or file back.

        Parameters
        ----------
        source : int, str, Path; or iterable of what :meth:`classify` takes as one picture
            The number of a camera, the path of a video, of a folder of pictures or of a sequence such as
            ``shot-%04d.png`` (see :func:`~pynq_bnn.classify.camera.open_frames`). Of an iterable dozens of pictures
            are taken at a time, so that on a board the next are made ready while some are computed; take all its
            results, or close the iterator, before anything else is asked of this classifier.
        frames : int, optional
            Stop after so many pictures.

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
        return self._stream(source if frames is None else islice(source, frames))

    def _answer(self, picture: Picture) -> Result:
        """One picture without looking at the next."""
        backend, began = self._require_open(), time.perf_counter()
        pixels = self._prepare(picture)[None]
        preparing = time.perf_counter() - began
        scores = backend.scores(pixels)
        self._note_timing(backend, 1, preparing, began)
        return single_results(self.network.output, scores, pixels)[0]

    def _stream(self, pictures: Iterable[Picture]) -> Iterator[Result]:
        backend = self._require_open()
        began, preparing, waiting = time.perf_counter(), Stopwatch(), deque()
        images, rest = 0, iter(pictures)

        def groups() -> Iterator[np.ndarray]:
            while group := [self._prepare(picture) for picture in islice(rest, GROUP)]:
                waiting.extend(group)
                yield np.stack(group)

        with closing(backend.stream(preparing.watch(groups()))) as stream:
            for scores in stream:
                images += len(scores)
                yield from single_results(self.network.output, scores, [waiting.popleft() for _ in scores])
        self._note_timing(backend, images, preparing.seconds, began)

    def classify_arrays(self, arrays: Iterable[np.ndarray]) -> BatchResult:
        """Classify arrays of pictures as if they were one; on a board the next is made ready while one is computed.

        Parameters
        ----------
        arrays : iterable of (n, H, W, C) uint8

        Raises
        ------
        ImageError
            An array has another type or shape.
        """
        backend = self._require_open()
        began, preparing = time.perf_counter(), Stopwatch()
        none = np.zeros((0, len(self.classes)), np.int32)
        scores = np.concatenate([none, *backend.stream(preparing.watch(map(self._fit_array, arrays)))])
        result = batch_result(self.network.output, scores)
        self._note_timing(backend, len(scores), preparing.seconds, began)
        return result

    def _classify_array(self, pictures: np.ndarray) -> BatchResult:
        step = READY_GROUP if pictures.shape[1:] == self.network.input.shape else GROUP
        return self.classify_arrays(pictures[start:start + step] for start in range(0, max(1, len(pictures)), step))

    def _note_timing(self, backend: Backend, images: int, preparing: float, began: float) -> None:
        last = backend.last_time
        self.timing = Timing(images, preparing, last.transfer, last.compute, time.perf_counter() - began)

    def prepare(self, picture: Picture) -> np.ndarray:
        """The (H, W, C) uint8 pixels that the network sees of ``picture``."""
        return self._prepare(picture)

    def box(self, picture: Picture) -> tuple[int, int, int, int]:
        """The part of ``picture`` that :meth:`prepare` makes its pixels of: (left, top, right, bottom) in pixels."""
        return self._box(picture)

    def _fit_array(self, pictures: np.ndarray) -> np.ndarray:
        shape = self.network.input.shape
        if pictures.shape[1:] == shape and pictures.dtype == np.uint8:
            return np.ascontiguousarray(pictures)
        if pictures.dtype != np.uint8 or pictures.shape[3] not in (1, 3) or 0 in pictures.shape[1:]:
            raise ImageError(f"an array of shape {pictures.shape}, {pictures.dtype}; pictures are uint8,"
                             " (count, height, width, 1 or 3)")
        fitted = [self._prepare(p) for p in pictures]
        return np.stack(fitted) if fitted else np.zeros((0, *shape), np.uint8)

    def verify(self, images: int = 8, pixels: np.ndarray | None = None) -> VerifyReport:
        """Check the backend: the golden image first, then every layer's map against an independent engine.

        Parameters
        ----------
        images : int
            Number of noise pictures when no ``pixels`` are given.
        pixels : (N, H, W, C) uint8, optional
        """
        return verify_backend(self._require_open(), images, pixels)

    def _require_open(self) -> Backend:
        """The backend; a call takes it once, for another thread may close the classifier meanwhile."""
        backend = self.backend
        if backend is None:
            raise NetworkError("this Classifier is closed; make a new one")
        return backend

    def close(self) -> None:
        """Free the backend; the classifier cannot be used after it."""
        backend, self.backend = self.backend, None
        if backend is not None:
            backend.close()

    def __enter__(self) -> Classifier:
        return self

    def __exit__(self, *exc: object) -> None:
        self.close()


def _preparation(spec: InputSpec, fit: str | None) -> tuple[Callable[[Picture], np.ndarray], Callable]:
    """The functions from a picture to the pixels of the network's input, and to the part that these are made of."""
    if isinstance(fit, str) and fit in BNN_PYNQ_FITS:
        if spec.shape != (32, 32, 3):
            raise NetworkError(f"{fit!r} makes 32×32 colour pictures, the network takes {spec.shape}")
        # That preprocessing shows the network the whole picture, as "letterbox" does.
        return partial(bnn_pynq_pixels, via_64=BNN_PYNQ_FITS[fit]), partial(seen_box, spec=replace(spec, fit="stretch"))
    spec = spec if fit is None else replace(spec, fit=fit)
    return partial(network_input, spec=spec), partial(seen_box, spec=spec)


class _Kept:
    """The classifier of the last network that ``classify`` was asked for, shared by all threads.

    Another network takes its place at once; it is closed when the last call that uses it is at its end.
    """

    _last: _Kept | None = None
    _lock = threading.Lock()

    def __init__(self, key: tuple, classifier: Classifier) -> None:
        self.key, self.classifier, self.calls = key, classifier, 0

    @classmethod
    @contextmanager
    def borrow(cls, network: Union[str, Path], backend: str) -> Iterator[Classifier]:
        """The kept classifier; a new one when name, file or backend are others than last time."""
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
        """In a child process: what is kept belongs to the parent, whose threads may hold the lock."""
        cls._last, cls._lock = None, threading.Lock()


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_Kept.forget)


def classify(image: Union[Picture, Sequence[Picture]], network: Union[str, Path, Network] = "cnv-cifar10",
             backend: str = "auto") -> Union[Result, list[Result], BatchResult]:
    """Classify pictures with a shipped network, a ``.bnn`` file or a network in memory.

    The classifier of the last network named is kept, so that calls in a row load it once. See
    :meth:`Classifier.classify` for what ``image`` may be, what comes back and what is raised.

    >>> classify("cat.jpg").label
    'cat'
    """
    if isinstance(network, Network):
        with Classifier(network, backend) as classifier:
            return classifier.classify(image)
    with _Kept.borrow(network, backend) as classifier:
        return classifier.classify(image)
