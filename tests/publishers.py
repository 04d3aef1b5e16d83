"""Small data sets in their publishers' layouts: the real files' form with few pictures."""

import gzip
import struct

import numpy as np


def write_cifar10(folder, train, test, seed=0):
    """``train`` pictures (a multiple of 5) and ``test``, a shade a class with noise, as CIFAR-10's binary version."""
    rng = np.random.default_rng(seed)
    place = folder / "cifar-10-batches-bin"
    place.mkdir(parents=True)
    names = [f"data_batch_{i}.bin" for i in range(1, 6)] + ["test_batch.bin"]
    for name, count in zip(names, [train // 5] * 5 + [test]):
        labels = np.arange(count) % 10
        pixels = np.clip(labels[:, None] * 25 + rng.normal(0, 20, (count, 3072)), 0, 255)
        (place / name).write_bytes(np.column_stack([labels, pixels]).astype(np.uint8).tobytes())


def write_mnist(folder, train, test, seed=0):
    """The same of digits, as MNIST's idx files."""
    rng = np.random.default_rng(seed)
    place = folder / "MNIST" / "raw"
    place.mkdir(parents=True)
    for name, count in (("train", train), ("t10k", test)):
        labels = (np.arange(count) % 10).astype(np.uint8)
        pixels = np.zeros((count, 28, 28))
        pixels[:, 4:24, 4:24] = labels[:, None, None] * 25 + rng.normal(0, 20, (count, 20, 20))
        images = np.clip(pixels, 0, 255).astype(np.uint8)
        for kind, array in ((f"{name}-images-idx3-ubyte.gz", images), (f"{name}-labels-idx1-ubyte.gz", labels)):
            head = struct.pack(f">4B{array.ndim}I", 0, 0, 8, array.ndim, *array.shape)
            (place / kind).write_bytes(gzip.compress(head + array.tobytes(), 1))
