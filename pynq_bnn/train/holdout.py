"""Which training pictures are held out for choosing the best epoch."""

from __future__ import annotations

import logging

import numpy as np

from ..arrays import Array
from ..data.datasets import Dataset
from ..data.split import Split
from ..errors import TrainError

log = logging.getLogger(__name__)

# Rules, as stored in checkpoints. RANDOM (the first part of a permutation of all pictures) was used by checkpoints that
# store no rule; it could leave a class without a held-out picture.
RANDOM, STRATIFIED = "random", "stratified"
# From this many pictures on, a class has at least one held out.
_FEW = 3


def split_validation(data: Dataset, part: float, seed: int, rule: str = STRATIFIED) -> tuple[Split, Split]:
    """Training and validation splits; if the data set has no validation split, it is held out from the training split.

    With the rule STRATIFIED the same share of each class is held out, at least one picture if there are three, and the
    pictures of a group stay together. Classes without a held-out picture are named in a warning.

    Raises
    ------
    TrainError
        No picture would be held out, or fewer than two would be left.
    """
    if rule not in (RANDOM, STRATIFIED):
        raise TrainError(f"the checkpoint holds pictures out by the rule {rule!r:.40}; {RANDOM!r} and"
                         f" {STRATIFIED!r} are known; continue with the pynq-bnn that began it")
    rng, whole = np.random.default_rng(seed), data.train
    if data.validation is not None:
        # Shuffled, because a warm start takes its statistics from the first thousand, in folder order all of one class.
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
    """(N,) bool: held-out pictures, which are the first of each class, or those of its first groups."""
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
        log.warning("no picture is held out of %d class(es): %s; validation does not cover them, add pictures",
                    len(absent), names)
