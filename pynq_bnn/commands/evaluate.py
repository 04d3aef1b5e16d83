"""``evaluate`` and ``verify``."""

from __future__ import annotations

import argparse
import json

from ..arrays import Array
from ..classify.classifier import Classifier
from ..classify.drawing import confusion_picture
from ..classify.evaluate import evaluate as evaluate_classifier
from ..data.datasets import Dataset, load_dataset
from ..errors import DataError
from ..files import write_atomically
from ..progress import progress


def evaluate(arguments: argparse.Namespace) -> int:
    """Print top-1 accuracy on the data set's test split, and top-5 if there are more than five classes."""
    with Classifier(arguments.network, arguments.backend, fit=arguments.fit) as classifier:
        data = _dataset(arguments, classifier)
        outcome = evaluate_classifier(classifier, data, lambda starts: progress(starts, "evaluate"))
        answer = {"network": classifier.network.name, "backend": classifier.backend.name, "dataset": data.name,
                  "split": outcome.split, "images": outcome.images, "top1": outcome.top1,
                  "top5": outcome.top5 if len(classifier.classes) > 5 else None, "unanswered": outcome.unanswered,
                  "missing": list(outcome.missing), "seconds": round(outcome.seconds, 3)}
    title = (f"{answer['network']} on {answer['dataset']} ({answer['split']}):"
             f" {outcome.top1:.2%} top-1, {outcome.images} images")
    if arguments.confusion:
        picture = confusion_picture(outcome.confusion, classifier.classes, title)
        write_atomically(arguments.confusion, lambda partial: picture.save(partial, format="PNG"))
    if arguments.json:
        print(json.dumps(answer))
    else:
        top5 = f", {outcome.top5:.2%} top-5" if answer["top5"] is not None else ""
        print(f"{title}{top5}, {outcome.images / outcome.seconds:.0f} images/s ({answer['backend']})")
        if outcome.missing:
            print(f"no picture of: {', '.join(outcome.missing)}")
    return 0


def _dataset(arguments: argparse.Namespace, classifier: Classifier) -> Dataset:
    return load_dataset(arguments.data, classifier.network.input, parts="test",
                        progress=lambda paths: progress(paths, "read", least=100), prepare=classifier.prepare)


def verify(arguments: argparse.Namespace) -> int:
    """Print that all is equal, or the first layer and position that differ (exit status 1)."""
    with Classifier(arguments.network, arguments.backend, trace=arguments.trace) as classifier:
        pixels = _some_pictures(arguments, classifier) if arguments.data else None
        report = classifier.verify(arguments.images, pixels)
    if not report.ok:
        print(f"{classifier.network.name}: {report.backend} differs from {report.reference}: {report.difference}")
        return 1
    golden = "golden image and " if report.golden else ""
    print(f"{classifier.network.name}: {golden}{report.images} images through {report.layers} layers,"
          f" {report.backend} equals {report.reference} in every bit")
    return 0


def _some_pictures(arguments: argparse.Namespace, classifier: Classifier) -> Array:
    _, split = _dataset(arguments, classifier).evaluation_split()
    if not len(split):
        raise DataError(f"{arguments.data} holds no picture")
    return split.images[:arguments.images]
