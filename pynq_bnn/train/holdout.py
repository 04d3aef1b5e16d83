"""Which training pictures are held out for choosing the best epoch."""

from __future__ import annotations

import logging

import numpy as np

from ..arrays import Array
from ..data.datasets import Dataset
from ..data.split import Split
from ..errors import TrainError

log = logging.getLogger(__name__)

# Rules, as checkpoints note them. RANDOM, the part of a permutation of all pictures, is that of checkpoints that note
# none: it could leave a class without a held-out picture.
RANDOM, STRATIFIED = "random", "stratified"
# A class of so few pictures is not robbed of one by rounding up.
_FEW = 3


def split_validation(data: Dataset, part: float, seed: int, rule: str = STRATIFIED) -> tuple[Split, Split]:
    """Training and validation splits; the latter drawn from the former where the data set has none.

    By the rule STRATIFIED each class gives the same part, at least one of three pictures, and pictures of one group
    stay on one side. A class without a held-out picture is named in a warning.

    Raises
    ------
    TrainError
        Nothing can be held out, or hardly anything is left.
    """
    if rule not in (RANDOM, STRATIFIED):
        raise TrainError(f"the checkpoint holds pictures out by the rule {rule!r:.40}; {RANDOM!r} and"
                         f" {STRATIFIED!r} are known; go on with the pynq-bnn that began it")
    rng, whole = np.random.default_rng(seed), data.train
    if data.validation is not None:
        # In their folders' order the first thousand, from which a warm start takes its statistics, are of one class.
        return (whole.take(rng.permutation(len(whole))) if rule == STRATIFIED else whole), data.validation
    order = rng.permutation(len(whole))
    if rule == STRATIFIED:
        held = _stratified(whole.take(order), part)
        chosen, rest = order[held], order[~held]
    else:
        count = round(len(whole) * part)
        chosen, rest = order[:count], order[count:]
    if not len(chosen) or len(rest) < 2:
        raise TrainError(f"{len(whole)} pictures are too few to hold out {part:.0%} for validation;"
                         " add pictures or change --validation")
    log.info("%d of the %d training pictures are held out for choosing the best epoch", len(chosen), len(whole))
    _warn(data, whole.labels[chosen])
    return whole.take(rest), whole.take(chosen)


def _stratified(shuffled: Split, part: float) -> Array:
    """(N,) bool: the first pictures of each class, or those of its first groups."""
    held = np.zeros(len(shuffled), bool)
    for label in np.unique(shuffled.labels):
        places = np.flatnonzero(shuffled.labels == label)
        wanted = min(max(round(part * len(places)), int(len(places) >= _FEW)), len(places) - 1)
        if shuffled.groups is None:
            held[places[:wanted]] = True
            continue
        groups = shuffled.groups[places]
        names, firsts = np.unique(groups, return_index=True)
        for group in names[np.argsort(firsts)][:-1]:
            if held[places].sum() >= wanted:
                break
            held[places[groups == group]] = True
    return held


def _warn(data: Dataset, held: Array) -> None:
    absent = sorted(set(data.train.labels.tolist()) - set(held.tolist()))
    if absent:
        names = ", ".join(data.classes[label] for label in absent[:10]) + (" …" if len(absent) > 10 else "")
        log.warning("no picture is held out of %d class(es): %s; validation says nothing about them, add pictures",
                    len(absent), names)
