"""``bench --kernels``: engines of the CPU side by side on one core, and the same network in other libraries."""

from __future__ import annotations

import contextlib
import time
from collections.abc import Callable, Iterator, Sequence

import numpy as np

from ..backends import Backend, CompiledBackend, CpuBackend, PopcountBackend
from ..engine import find_library
from ..errors import BackendError, NetworkError
from ..network import Network

PEERS = ("torch",)
# Rounds go around all engines, so that a busy machine disturbs all alike; the best of each counts.
_ROUNDS, _SECONDS = 3, 0.5

Scores = Callable[[np.ndarray], np.ndarray]


def compare_engines(network: Network, pixels: np.ndarray, against: Sequence[str] = ()) -> dict[str, object]:
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
    BackendError
        A library compared against is not installed.
    NetworkError
        Exact engines differ.
    """
    engines: dict[str, Scores] = {backend_name: backend.scores for backend_name, backend in _backends(network)}
    exact, answer = set(engines), {"network": network.name, "images": len(pixels), "numpy": np.__version__}
    if "torch" in against:
        from_torch = _torch_peers(network)
        engines.update(from_torch)
    expected = engines["numpy_gemm"](pixels)
    labels = network.output.indices(expected)
    with _one_thread(answer):  # a BLAS that shares such small products among threads wastes some of their time
        parts = {name: _part(scores, pixels) for name, scores in engines.items()}
        seconds = _time(engines, parts)
    for name, scores in engines.items():
        found, count = scores(parts[name]), len(parts[name])
        if name in exact and not np.array_equal(found, expected[:count]):
            raise NetworkError(f"the engines {name} and numpy_gemm differ; please report this with the .bnn file")
        answer[f"{name}_images_per_second"] = count / seconds[name]
        answer[f"{name}_gmac_per_second"] = network.macs * count / seconds[name] / 1e9
        if name not in exact:
            answer[f"{name}_same_labels"] = float((network.output.indices(found) == labels[:count]).mean())
    return answer


def _backends(network: Network) -> Iterator[tuple[str, Backend]]:
    """The exact engines: NumPy's two and the compiled one on every instruction set."""
    library = find_library()
    for instruction_set in library.instruction_sets if library else ():
        yield f"compiled_{instruction_set}", CompiledBackend(network, instruction_set=instruction_set, threads=1)
    yield "numpy_gemm", CpuBackend(network)
    yield "numpy_popcount", PopcountBackend(network)


def _torch_peers(network: Network) -> dict[str, Scores]:
    try:
        from ..train.peer import torch_scores
    except ImportError:
        raise BackendError("no torch to compare against; pip install torch, or leave --against out") from None
    return {f"torch_{precision}": torch_scores(network, precision) for precision in ("float32", "bfloat16")}


def _part(scores: Scores, pixels: np.ndarray) -> np.ndarray:
    """As many of the pictures as take about half a second, eight at least."""
    scores(pixels[:2])
    began = time.process_time()
    scores(pixels[:8])
    each = max(1e-6, time.process_time() - began) / 8
    return pixels[:max(8, int(_SECONDS / each))]


def _time(engines: dict[str, Scores], parts: dict[str, np.ndarray]) -> dict[str, float]:
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
