"""Charts for notebooks, as PIL images, drawn with matplotlib, which is imported only when a chart is drawn."""

from __future__ import annotations

import io
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
from PIL import Image

from .arrays import Array
from .backends.profile import LayerProfile
from .classify.result import Result
from .errors import OutputError, first_line
from .live.history import History
from .program.config import Config
from .program.layout import sizes
from .program.registers import Counters
from .program.schedule import Program

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

_BEST, _OTHER, _INK = "#2f7ed8", "#b8c4ce", "#1f2933"
# What the accelerator spends its cycles on, in the order of its counters; the last entry is the remainder.
_SPENT = {"computing": "#2f5d8a", "waiting for parameters": "#e0a030", "images in": "#7fb069", "results out": "#b56576",
          "between tiles and layers": "#d5dae0"}
_DPI = 110


def _figure(width: float, height: float) -> Figure:
    try:
        from matplotlib.figure import Figure
    except ImportError as error:
        raise OutputError(f"charts are drawn by matplotlib, which cannot be imported ({first_line(error)}); "
                          f"pip install 'pynq-bnn[notebooks]', on a board: sudo apt install python3-matplotlib"
                          ) from None
    return Figure(figsize=(width, height), constrained_layout=True)


def _image(figure: Figure) -> Image.Image:
    memory = io.BytesIO()
    figure.savefig(memory, format="png", dpi=_DPI)
    return Image.open(memory).convert("RGB")


def _tidy(axes: Axes) -> None:
    for side in ("top", "right"):
        axes.spines[side].set_visible(False)


def score_chart(results: Sequence[Result], titles: Sequence[str]) -> Image.Image:
    """The scores of some pictures, one panel each, the answer in blue: the integer sums, scaled class by class.

    Parameters
    ----------
    results : sequence of Result
        All of one network.
    titles : sequence of str
        One heading per result.

    Raises
    ------
    OutputError
        There is nothing to draw, or matplotlib is missing.
    """
    if not results:
        raise OutputError("no scores to draw; classify a picture first")
    columns = min(4, len(results))
    rows = -(-len(results) // columns)
    figure = _figure(2.4 * columns + 0.8, (0.22 * len(results[0].classes) + 0.7) * rows + 0.3)
    panels = figure.subplots(rows, columns, squeeze=False, sharex=True, sharey=True).ravel()
    places = np.arange(len(results[0].classes))
    for panel in panels[len(results):]:
        panel.set_visible(False)
    for panel, result, title in zip(panels, results, titles):
        panel.barh(places, result.scores, color=[_BEST if k == result.index else _OTHER for k in places])
        panel.axvline(0, color=_INK, linewidth=0.6)
        panel.set_yticks(places)
        panel.set_yticklabels(result.classes)
        panel.set_title(f"{title}: {result.label}", fontsize=10)
        _tidy(panel)
    panels[0].invert_yaxis()
    figure.supxlabel("score: the integer sum of the class, scaled; the largest is the answer", fontsize=9)
    return _image(figure)


def history_chart(history: History, best: int = 4) -> Image.Image:
    """Probabilities of the likeliest classes over a live run, and below them the frames per second.

    Parameters
    ----------
    history : History
        Of at least one frame.
    best : int
        Number of classes that get a line.

    Raises
    ------
    OutputError
        No frame was seen, or matplotlib is missing.
    """
    if not len(history):
        raise OutputError("no frame was seen; run the stream first")
    figure = _figure(9, 4.2)
    upper, lower = figure.subplots(2, 1, sharex=True, gridspec_kw={"height_ratios": [3, 1]})
    for index in np.argsort(-history.probabilities.mean(axis=0), kind="stable")[:best]:
        upper.plot(history.seconds, history.probabilities[:, index], marker=".", label=history.classes[index])
    upper.set_ylabel("probability")
    upper.set_ylim(-0.02, 1.02)
    upper.legend(loc="upper left", bbox_to_anchor=(1, 1), frameon=False)
    lower.plot(history.seconds[1:], history.fps[1:], color=_INK)
    lower.set_ylabel("frames/s")
    lower.set_ylim(bottom=0)
    lower.set_xlabel("seconds")
    for axes in (upper, lower):
        axes.grid(alpha=0.3)
        _tidy(axes)
    return _image(figure)


def layer_chart(profile: Sequence[LayerProfile], images: int, title: str = "") -> Image.Image:
    """Where the cycles of each layer go: computing, waiting, moving maps; without counters, the predicted cycles.

    The number at each bar is the share of the array's XNORs that do useful work. A cycle in which two things happen,
    such as computing and writing results, is drawn as the first of them.

    Parameters
    ----------
    profile : sequence of LayerProfile
        From :func:`~pynq_bnn.backends.profile.profile_layers`.
    images : int
        Size of the profiled batch; the bars are cycles per image.
    """
    figure = _figure(9, 1.4 + 0.36 * len(profile))
    axes = figure.subplots()
    places = np.arange(len(profile))
    counters = [row.counters for row in profile if row.counters is not None]
    if len(counters) < len(profile):
        axes.barh(places, [row.predicted / images for row in profile], color=_OTHER, label="predicted")
    else:
        left = np.zeros(len(profile))
        for number, (name, colour) in enumerate(_SPENT.items()):
            part = np.array([_spent(counted)[number] for counted in counters]) / images
            axes.barh(places, part, left=left, color=colour, label=name)
            left += part
        axes.plot([row.predicted / images for row in profile], places, "|", color=_INK, markersize=14,
                  label="predicted")
    for place, row in zip(places, profile):
        end = max(row.predicted, row.counters.cycles if row.counters else 0) / images
        axes.annotate(f"{row.utilization:.0%}", (end, place), (6, 0), textcoords="offset points", va="center",
                      fontsize=9)
    axes.set_yticks(places)
    axes.set_yticklabels([f"{row.layer} {row.kind}" for row in profile])
    axes.invert_yaxis()
    axes.margins(x=0.12)
    axes.set_xlabel("cycles an image, each layer by itself; per cent: XNORs that count of those the array can do")
    axes.set_title(title, fontsize=10)
    axes.legend(loc="upper left", bbox_to_anchor=(1, 1), fontsize=8, frameon=False)
    _tidy(axes)
    return _image(figure)


def _spent(counters: Counters) -> list[int]:
    """Cycles for each entry of ``_SPENT``; they add up to the counted total."""
    left, parts = counters.cycles, []
    for counted in counters.values[1:]:
        parts.append(min(counted, left))
        left -= parts[-1]
    return [*parts, left]


def memory_chart(program: Program, config: Config, title: str = "") -> Image.Image:
    """What a lane's memory holds at each layer: the maps alternate between its two ends.

    Parameters
    ----------
    program : Program
        From a :class:`~pynq_bnn.program.schedule.Schedule`.
    """
    layout, spans = program.layout, sizes(program.stages)
    count = len(program.stages)
    figure = _figure(9, 4.2)
    axes = figure.subplots()
    for number, (base, span) in enumerate(zip(layout.bases, spans)):
        # Written by the previous stage, read by the next.
        begin, end = max(0, number - 1), min(count, number + 1)
        colour = "#7fb069" if number == 0 else _BEST if number % 2 else "#e0a030"
        axes.broken_barh([(begin, end - begin)], (base, span * layout.slots), facecolors=colour, edgecolor="white")
        name = "images" if number == 0 else "results" if number == count else f"map {number - 1}"
        if span * layout.slots > 0.04 * config.buffer_depth:
            axes.text((begin + end) / 2, base + span * layout.slots / 2, name, ha="center", va="center", fontsize=8,
                      color="white")
    if layout.frees + 1 < count:
        axes.broken_barh([(layout.frees + 1, count - layout.frees - 1)], (0, spans[0] * layout.slots),
                         facecolors="none", edgecolor="#7fb069", hatch="//")
        if spans[0] * layout.slots > 0.04 * config.buffer_depth:
            axes.text((layout.frees + 1 + count) / 2, spans[0] * layout.slots / 2, "next images come in", ha="center",
                      va="center", fontsize=8, backgroundcolor="white")
    axes.set_xlim(0, count)
    axes.set_xticks(np.arange(count) + 0.5)
    axes.set_xticklabels([f"layer {stage.layer}" for stage in program.stages])
    axes.set_ylim(0, config.buffer_depth)
    axes.set_ylabel(f"64-bit word of a lane ({config.buffer_depth:,})")
    axes.set_title(title or f"{layout.slots} image{'s' * (layout.slots > 1)} a lane", fontsize=10)
    axes.set_axisbelow(True)
    axes.grid(axis="x", alpha=0.2)
    _tidy(axes)
    return _image(figure)


def maps_chart(profiles: Mapping[str, Sequence[LayerProfile]], channels: Sequence[int], image: int = 0) -> Image.Image:
    """The first maps of every layer, one row per backend, with the number of bits that differ from the first backend.

    Parameters
    ----------
    profiles : mapping of str to sequence of LayerProfile
        Name of a backend → its profile, all of the same network and pictures.
    channels : sequence of int
        Output channels of each layer.
    image : int
        Index of the picture within the batch.
    """
    hidden = len(channels) - 1
    figure = _figure(1.15 * hidden + 0.9, 1.45 * len(profiles) + 0.5)
    panels = figure.subplots(len(profiles), hidden, squeeze=False)
    reference = next(iter(profiles.values()))
    for row, (name, profile) in zip(panels, profiles.items()):
        for panel, layer, first, count in zip(row, profile, reference, channels):
            panel.imshow(_mosaic(layer.states[image], count), cmap="gray", vmin=-0.4, vmax=1, interpolation="nearest")
            panel.set_xticks([])
            panel.set_yticks([])
            wrong = _bits_that_differ(layer.states, first.states)
            if panel in panels[0]:
                panel.set_title(f"{layer.layer} {layer.kind}", fontsize=9)
            else:
                panel.set_xlabel("equal" if not wrong else f"{wrong:,} differ", fontsize=8,
                                 color=_INK if not wrong else "red")
        row[0].set_ylabel(name)
    return _image(figure)


def _mosaic(packed: Array, channels: int) -> Array:
    """The first 16 channels of a map of packed bits, four by four with gaps; a 1×1 map as one block."""
    bits = np.unpackbits(packed, axis=-1, bitorder="little")[..., :channels].astype(np.float32)
    height, width, _ = bits.shape
    if height == width == 1:
        side = int(np.ceil(np.sqrt(channels)))
        block = np.full(side * side, -0.4, np.float32)
        block[:channels] = bits.reshape(-1)
        return block.reshape(side, side)
    canvas = np.full((4 * (height + 1) - 1, 4 * (width + 1) - 1), -0.4, np.float32)
    for channel in range(min(16, channels)):
        y, x = channel // 4 * (height + 1), channel % 4 * (width + 1)
        canvas[y:y + height, x:x + width] = bits[..., channel]
    return canvas


def _bits_that_differ(a: Array, b: Array) -> int:
    differing: Array = a ^ b
    return int(np.unpackbits(differing).sum())


def resource_chart(used: Mapping[str, Mapping[str, int]], available: Mapping[str, int], title: str = "") -> Image.Image:
    """How much of a chip each design uses.

    Parameters
    ----------
    used : mapping
        Design → resource → count.
    available : mapping
        Resource → number on the chip.
    """
    figure = _figure(9, 0.9 + 0.32 * len(available) * max(1, len(used)))
    axes = figure.subplots()
    height = 0.8 / max(1, len(used))
    colours = (_BEST, "#e0a030", "#7fb069", "#b56576")
    for number, (design, counts) in enumerate(used.items()):
        places = np.arange(len(available)) + (number - (len(used) - 1) / 2) * height
        shares = [counts[name] / limit for name, limit in available.items()]
        axes.barh(places, shares, height * 0.9, color=colours[number % len(colours)], label=design)
        for place, share, name in zip(places, shares, available):
            axes.annotate(f"{counts[name]:,} of {available[name]:,}", (share, place), (6, 0),
                          textcoords="offset points", va="center", fontsize=9)
    axes.set_yticks(np.arange(len(available)))
    axes.set_yticklabels(list(available))
    axes.invert_yaxis()
    axes.set_xlim(0, 1.25)
    axes.set_xticks([0, 0.25, 0.5, 0.75, 1])
    axes.set_xticklabels(["0", "25 %", "50 %", "75 %", "100 %"])
    axes.axvline(1, color=_INK, linewidth=0.6)
    axes.set_title(title, fontsize=10)
    if len(used) > 1:
        axes.legend(loc="lower right", fontsize=8)
    _tidy(axes)
    return _image(figure)


def picture_grid(pictures: Sequence[Any], titles: Sequence[str], columns: int = 8, side: int = 96) -> Image.Image:
    """Small pictures in rows, each with its title under it; for looking at a data set.

    Parameters
    ----------
    pictures : sequence of (H, W, C) uint8 arrays or PIL images
    """
    rows = -(-len(pictures) // columns)
    figure = _figure(columns * side / _DPI * 1.15, rows * side / _DPI * 1.45)
    panels = figure.subplots(rows, columns, squeeze=False).ravel()
    for panel in panels:
        panel.axis("off")
    for panel, picture, title in zip(panels, pictures, titles):
        pixels = np.asarray(picture)
        panel.imshow(pixels.squeeze(), cmap="gray" if pixels.squeeze().ndim == 2 else None, vmin=0, vmax=255)
        panel.set_title(title, fontsize=8, y=-0.26)
    return _image(figure)
