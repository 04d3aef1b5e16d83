"""Hold as place and route is asked for it: which connections must be longer, and by how much."""

from __future__ import annotations

import numpy as np

from .analysis import Analysis

# Least margins (ns) to aim for. Between regions a clock's edges differ by more than the analysis knows, see clocks.py.
WITHIN_REGION, BETWEEN_REGIONS = 0.05, 0.1


def short_connections(analysis: Analysis, within: float = WITHIN_REGION,
                      between: float = BETWEEN_REGIONS) -> dict[str, float]:
    """The connections on paths with too little hold margin: what each lacks (ns), by its last wire, TILE/WIRE.

    Parameters
    ----------
    analysis
        Of the configuration as it is routed.
    within, between
        The margins (ns) that an end within one clock region and one that another region drives must have.
    """
    missing = np.where(analysis.crosses(), between, within) - analysis.hold
    result: dict[str, float] = {}
    for end in np.flatnonzero(missing > 0).tolist():
        if (node := analysis.last_wire(end)) >= 0:
            name = analysis.graph.device.wire_name(node)
            result[name] = max(result.get(name, 0.0), float(missing[end]))
    return result
