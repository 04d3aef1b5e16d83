"""What a timing analysis found, in words and as facts for the overlay's JSON file."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from .analysis import Analysis, uncertainty

PATHS_SHOWN = 5
# Fastest clocks (MHz) of the -1 grade by DS187, and the shortest pulse (ns) that a LUT memory's clock may have.
LIMITS = {"global clock buffer": 464.0, "block RAM": 388.2, "DSP": 464.2, "DSP without multiplier register": 241.7}
PULSE = 1.25


@dataclass(frozen=True)
class HoldClass:
    """Hold in one class of ends: how many, the least margin (ns), that of the designs compared with, ends below it."""

    kind: str
    ends: int
    least: float
    reference: float | None
    below: int


def least_hold(analysis: Analysis) -> dict[str, float]:
    """The least hold margin (ns) of each class of ends."""
    kinds = analysis.kinds()
    reached = np.isfinite(analysis.hold)
    return {str(kind): float(analysis.hold[reached & (kinds == kind)].min()) for kind in np.unique(kinds[reached])}


def hold_classes(analysis: Analysis, references: Sequence[Mapping[str, float]] = ()) -> list[HoldClass]:
    """Hold by class, the least margin first; ``references`` are :func:`least_hold` of other designs."""
    kinds, result = analysis.kinds(), []
    for kind, least in least_hold(analysis).items():
        margins = analysis.hold[kinds == kind]
        known = [reference[kind] for reference in references if kind in reference]
        below = int((margins < min(known) - 1e-9).sum()) if known else 0
        result.append(HoldClass(kind, int(np.isfinite(margins).sum()), least, min(known) if known else None, below))
    return sorted(result, key=lambda entry: entry.least)


def facts(analysis: Analysis, mhz: float, references: Sequence[Mapping[str, float]] = ()) -> dict[str, Any]:
    """The result for machines: slacks in ns."""
    slack, reached = analysis.slack(mhz), np.isfinite(analysis.hold)
    result: dict[str, Any] = {
        "clock_mhz": mhz, "worst_slack_ns": round(float(slack.min()), 3), "fmax_mhz": round(analysis.fastest(), 1),
        "late_ends": int((slack < 0).sum()), "ends": int(reached.sum()),
        "clock_uncertainty_ns": round(uncertainty(1000 / mhz), 3),
        "worst_hold_ns": round(float(analysis.hold.min()), 3), "hold_below_0": int((analysis.hold < 0).sum())}
    if references:
        below = sum(entry.below for entry in hold_classes(analysis, references))
        result |= {"reference_worst_hold_ns": round(min(min(reference.values()) for reference in references), 3),
                   "hold_below_reference": below,
                   "hold_below_0_and_reference": _unusual(analysis, references)}
    return result


def _unusual(analysis: Analysis, references: Sequence[Mapping[str, float]]) -> int:
    """Ends without hold margin that have less than any end of their class in the other designs."""
    kinds = analysis.kinds()
    least = {kind: min(reference.get(kind, 0.0) for reference in references) for kind in np.unique(kinds)}
    limit = np.array([min(least[kind], 0.0) if least[kind] < 0 else 0.0 for kind in kinds])
    return int((analysis.hold < limit - 1e-9).sum())


def report(name: str, analysis: Analysis, mhz: float, references: Sequence[Mapping[str, float]] = ()) -> str:
    """The result in words, with the longest paths and the least hold margins."""
    says, period = facts(analysis, mhz, references), 1000 / mhz
    verdict = "no end is late" if not says["late_ends"] else f"{says['late_ends']:,} ends are late"
    lines = [f"{name} at {mhz:g} MHz ({period:.3f} ns)",
             f"Setup, slow corner: worst slack {says['worst_slack_ns']:+.3f} ns, {verdict} of {says['ends']:,}; the fastest "
             f"clock is {says['fmax_mhz']:.1f} MHz. {says['clock_uncertainty_ns']:.3f} ns of uncertainty are taken off.",
             f"Hold, fast corner: least margin {says['worst_hold_ns']:+.3f} ns; {says['hold_below_0']:,} ends have less than 0."]
    if references:
        lines.append(f"The designs compared with have {says['reference_worst_hold_ns']:+.3f} ns; "
                     f"{says['hold_below_0_and_reference']:,} ends have less than 0 and less than any end of their class "
                     f"there, {says['hold_below_reference']:,} less than any of their class.")
    lines += [_limits(analysis, mhz), *(f"Not analysed: {number} {what}."
                                        for what, number in analysis.graph.left_out.items())]
    lines += ["", "Hold by class: ends, least margin, least in the designs compared with, ends below that"]
    for entry in hold_classes(analysis, references):
        other = "" if entry.reference is None else f"  {entry.reference:+.3f}  {entry.below:5,}"
        lines.append(f"  {entry.ends:6,}  {entry.least:+.3f}{other}  {entry.kind}")
    lines += ["", "Least setup slack:"]
    lines += _paths(analysis, analysis.slack(mhz), analysis.end_groups_setup, hold=False)
    lines += ["", "Least hold margin:"]
    lines += _paths(analysis, analysis.hold, analysis.end_groups_hold, hold=True)
    return "\n".join(lines) + "\n"


def _limits(analysis: Analysis, mhz: float) -> str:
    """Fastest clocks and shortest pulses of the blocks, which no path shows."""
    over = [f"{what} {limit:g} MHz" for what, limit in LIMITS.items() if mhz > limit]
    half = 500 / mhz
    says = f"exceeds the fastest clock of {', '.join(over)}" if over else "is within the fastest clock of every block"
    pulse = "longer" if half > PULSE else "SHORTER"
    return (f"Pulses: {mhz:g} MHz {says} ({', '.join(f'{what} {limit:g}' for what, limit in LIMITS.items())}); half a period, "
            f"{half:.2f} ns, is {pulse} than the {PULSE} ns that the clock of a LUT memory needs.")


def _paths(analysis: Analysis, slack: np.ndarray, groups: np.ndarray, hold: bool) -> list[str]:
    lines = []
    for number, end in enumerate(np.argsort(slack, kind="stable")[:PATHS_SHOWN].tolist(), 1):
        if not np.isfinite(slack[end]):
            break
        needs = analysis.graph.end_needs[end]
        lines.append(f"  #{number}: {slack[end]:+.3f} ns at {analysis.end_name(end)} ({needs.kind}), from the clock of "
                     f"{analysis.clocks.groups[groups[end]].buffer} to that of "
                     f"{analysis.clocks.groups[analysis.end_group[end]].buffer}")
        lines += [f"    {step.delay:7.3f}  {step.to}" for step in analysis.path(end, hold)]
        lines.append(f"    {needs.hold if hold else needs.setup:7.3f}  {'hold' if hold else 'set-up'} time")
    return lines
