"""``camera``: live answers in a window, as lines of text, or in a file."""

from __future__ import annotations

import argparse
import contextlib
import json
import os
import signal
import sys
from collections.abc import Iterator
from contextlib import ExitStack, closing
from types import FrameType

from ..camera.devices import camera_devices
from ..camera.frames import Source, open_frames
from ..classify.classifier import Classifier
from ..classify.drawing import frame_picture
from ..classify.live import LiveResult
from ..errors import CameraError
from ..live.outputs import Window, check_output, output_to

# Minimum seconds between two lines, and seconds after which a line is printed even if the label is the same.
_LEAST_SECONDS, _LINE_SECONDS = 0.25, 1.0


def camera(arguments: argparse.Namespace) -> int:
    """Classify frames until q, Ctrl-C, the end of a video or the limit of frames.

    Unreadable pictures are reported on stderr, and the exit status is then 2.
    """
    if arguments.list:
        return _list()
    with _ended_as_by_ctrl_c():
        return _watch(arguments)


def _list() -> int:
    devices = camera_devices()
    for number, device in enumerate(devices):
        print(f"{number}  {device}")
    if not devices:
        print("no camera: this machine has no /dev/video* that gives pictures", file=sys.stderr)
    return 0 if devices else 2


@contextlib.contextmanager
def _ended_as_by_ctrl_c() -> Iterator[None]:
    """Turn SIGTERM and SIGHUP into KeyboardInterrupt, so that a recording is finished; then end by that signal."""
    received: list[int] = []

    def handle(number: int, _frame: FrameType | None) -> None:
        received.append(number)
        raise KeyboardInterrupt

    names, before = ("SIGTERM", "SIGHUP"), {}
    with contextlib.suppress(ValueError):  # not in the main thread
        for number in (getattr(signal, name) for name in names if hasattr(signal, name)):
            if signal.getsignal(number) is signal.SIG_DFL:
                before[number] = signal.signal(number, handle)
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
        if received:
            os.kill(os.getpid(), received[0])


def _watch(arguments: argparse.Namespace) -> int:
    if arguments.output:
        check_output(arguments.output)  # raise an error before the camera is started
    last: LiveResult | None = None
    with ExitStack() as stack:
        classifier = stack.enter_context(Classifier(arguments.network, arguments.backend, fit=arguments.fit))
        source = stack.enter_context(open_frames(_source(arguments.source)))
        window = _window(arguments, source.name)
        if window is not None:
            stack.callback(window.close)
        output = output_to(arguments.output, source.rate, source.live) if arguments.output else None
        if output is not None:
            stack.callback(output.close)
        lines = _Lines(arguments.json, window is None)
        with contextlib.suppress(KeyboardInterrupt), closing(classifier.stream(source, arguments.frames)) as results:
            for last in results:
                lines.add(last)
                if window is not None or output is not None:
                    picture = frame_picture(last, arguments.width)
                if output is not None:
                    output.add(picture)
                if window is not None:
                    window.show(picture, 0.0 if source.live else source.rate)
                    if not window.open:
                        break
    _summary(last, arguments)
    return 2 if source.skipped else 0


def _source(text: str) -> Source:
    return int(text) if text.isdecimal() else text


def _window(arguments: argparse.Namespace, name: str) -> Window | None:
    """A window if requested; by default if one can be opened and no other output is requested."""
    if arguments.window is False or (arguments.window is None and (arguments.json or arguments.output)):
        return None
    try:
        return Window(f"pynq-bnn: {name} (q ends)")
    except CameraError as error:
        if arguments.window:
            raise
        print(f"{error}. Ctrl-C ends", file=sys.stderr)
        return None


class _Lines:
    """Prints a line for each new label and at least one per second; as JSON, one for each frame."""

    def __init__(self, as_json: bool, shown: bool) -> None:
        self._json, self._shown = as_json, shown
        self._label, self._seconds = "", 0.0

    def add(self, result: LiveResult) -> None:
        if self._json:
            print(json.dumps({"frame": result.number, "seconds": round(result.seconds, 3), "label": result.label,
                              "confidence": result.confidence, "fps": round(result.fps, 1),
                              "doubt": result.doubt, "scores": result.scores.tolist(),
                              "sums": result.sums.tolist()}, ensure_ascii=False), flush=True)
            return
        passed = result.seconds - self._seconds
        changed = result.label != self._label and passed >= _LEAST_SECONDS
        if self._shown and (not result.number or changed or passed >= _LINE_SECONDS):
            self._label, self._seconds = result.label, result.seconds
            rate = f"{result.fps:.1f} fps" if result.fps else ""
            print(f"{result.seconds:8.1f} s  frame {result.number:<6} {result.label:<12} {result.certainty:>4}  "
                  f"{rate}", flush=True)


def _summary(last: LiveResult | None, arguments: argparse.Namespace) -> None:
    if last is None:
        print("no frame was classified", file=sys.stderr)
        return
    rate = f", {last.number / last.seconds:.1f} fps" if last.seconds else ""
    print(f"{last.number + 1} frames in {last.seconds:.1f} s{rate}", file=sys.stderr)
    if arguments.output:
        print(f"wrote {arguments.output}", file=sys.stderr)
