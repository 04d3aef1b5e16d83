"""``bench --kernels``: engines of the CPU side by side on one core, and the same network in other libraries."""

from __future__ import annotations

import contextlib
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from functools import partial
from types import ModuleType

import numpy as np

from ..arrays import Array
from ..backends import Backend, CompiledBackend, CpuBackend, PopcountBackend
from ..engine import PICTURE, BitLayer, Plan, Source, find_library, make_plan
from ..errors import NetworkError
from ..network import Network
from .train import needs_train_extra

PEERS = ("torch",)
# Rounds go around all engines, so that a busy machine disturbs all alike; the best of each counts.
_ROUNDS, _SECONDS = 3, 0.5
_PRODUCT = 1024, 4608, 512

Scores = Callable[[Array], Array]


def compare_engines(network: Network, pixels: Array, against: Sequence[str] = ()) -> dict[str, object]:
    """Images/s and GMAC/s of every engine that runs here, for a core.

    Seconds are those of processor time, summed over threads where there are several: what else runs on the machine
    hardly counts.

    Parameters
    ----------
    pixels : (N, H, W, C) uint8
        The batch; an engine that would take long on all gets its first part.
    against : sequence of str
        Of :data:`PEERS`.

    Raises
    ------
    TrainError
        A library compared against is not installed.
    NetworkError
        Exact engines differ.
    """
    engines: dict[str, Scores] = {backend_name: backend.scores for backend_name, backend in _backends(network)}
    exact, answer = set(engines), {"network": network.name, "images": len(pixels), "numpy": np.__version__}
    peer = needs_train_extra(".train.peer") if "torch" in against else None
    if peer:
        engines.update({f"torch_{name}": peer.scores_in(network, name) for name in ("float32", "bfloat16")})
    first = next(iter(engines))  # the fastest
    expected = engines[first](pixels)
    labels = network.output.indices(expected)
    with _one_thread(answer):  # a BLAS that shares such small products among threads wastes some of their time
        parts = {name: _part(scores, pixels) for name, scores in engines.items()}
        seconds = _time(engines, parts)
    for name, scores in engines.items():
        found, count = scores(parts[name]), len(parts[name])
        if name in exact and not np.array_equal(found, expected[:count]):
            raise NetworkError(f"the engines {name} and {first} differ; please report this with the .bnn file")
        answer[f"{name}_images_per_second"] = count / seconds[name]
        answer[f"{name}_gmac_per_second"] = network.macs * count / seconds[name] / 1e9
        if name not in exact:
            answer[f"{name}_same_labels"] = float((network.output.indices(found) == labels[:count]).mean())
    return {**answer, **_product_rates(peer)}


def _product_rates(peer: ModuleType | None) -> dict[str, float]:
    """GMAC/s of one product of matrices of ±1, of the size of BinaryNet's widest convolution on 64 images."""
    rng = np.random.default_rng(0)
    rows, inner, columns = _PRODUCT
    left, right = (rng.integers(0, 2, shape, dtype=np.uint8) for shape in ((rows, inner), (columns, inner)))
    products = dict(_compiled_products(left, right))
    if peer:
        products.update(peer.products_of_signs(left, right))
    parts = dict.fromkeys(products, left)
    for product in products.values():
        product(left)
    seconds = _time(products, parts)
    return {f"product_{name}_gmac_per_second": rows * inner * columns / seconds[name] / 1e9 for name in products}


def _compiled_products(left: Array, right: Array) -> Iterator[tuple[str, Callable[[Array], object]]]:
    """The compiled engine's, from packed bits to sums."""
    library = find_library()
    if library is None:
        return
    for instruction_set in library.instruction_sets:
        plan = make_plan(library, (1, 1, left.shape[1]), [BitLayer([Source(PICTURE, right[:, None, None])])],
                         one_bit=np.arange(256) > 0, instruction_set=instruction_set)
        pixels, scores = left[:, None, None], np.empty((len(left), len(right)), np.int32)
        arena, work = np.empty(plan.arena_words * len(left), np.uint64), np.empty(plan.work_words, np.uint64)
        library.run(plan.number, plan.structs, 0, 1, pixels, arena, work, scores)  # packs the bits
        yield f"compiled_{instruction_set}", partial(_run_product, plan, pixels, arena, work, scores)


def _run_product(plan: Plan, pixels: Array, arena: Array, work: Array, scores: Array,
                 _left: Array) -> None:
    plan.library.run(plan.number, plan.structs, 1, 1, pixels, arena, work, scores)


def _backends(network: Network) -> Iterator[tuple[str, Backend]]:
    """The exact engines: NumPy's two and the compiled one on every instruction set."""
    library = find_library()
    for instruction_set in library.instruction_sets if library else ():
        yield f"compiled_{instruction_set}", CompiledBackend(network, instruction_set=instruction_set, threads=1)
    yield "numpy_gemm", CpuBackend(network)
    yield "numpy_popcount", PopcountBackend(network)


def _part(scores: Scores, pixels: Array) -> Array:
    """As many of the pictures as take about half a second, eight at least."""
    scores(pixels[:2])
    began = time.process_time()
    scores(pixels[:8])
    each = max(1e-6, time.process_time() - began) / 8
    return pixels[:max(8, int(_SECONDS / each))]


def _time(engines: Mapping[str, Callable[[Array], object]], parts: Mapping[str, Array]) -> dict[str, float]:
    best = dict.fromkeys(engines, float("inf"))
    for _ in range(_ROUNDS):
        for name, scores in engines.items():
            began = time.process_time()
            scores(parts[name])
            best[name] = min(best[name], time.process_time() - began)
    return best


@contextlib.contextmanager
def _one_thread(answer: dict[str, object]) -> Iterator[None]:
    """Holds NumPy's BLAS to one thread where threadpoolctl is there to ask for it, and notes which BLAS it is."""
    try:
        import threadpoolctl
    except ImportError:
        answer["blas"] = "not known; pip install threadpoolctl"
        yield
        return
    blas = [pool for pool in threadpoolctl.threadpool_info() if pool["user_api"] == "blas"]
    answer["blas"] = ", ".join(f"{pool['internal_api']} {pool['version']} {pool.get('architecture', '')}".strip()
                               for pool in blas) or "none"
    with threadpoolctl.threadpool_limits(1):
        yield
