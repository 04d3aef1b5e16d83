"""The fixture that builds and runs a bench, and what happens where cocotb is missing."""

import os

import pytest
from hw.bench import module_name, require_tools, run

try:
    import cocotb
except ImportError:
    cocotb = None


class _WithoutCocotb(pytest.Module):
    """A test file that cannot be imported, as a skip that is seen."""

    def collect(self):
        pytest.skip("no cocotb, which simulates modules", allow_module_level=True)


def pytest_pycollect_makemodule(module_path, parent):
    """Files of benches import cocotb; where it is promised, they fail without it."""
    if cocotb is None and module_path.name.startswith("test_bnn_") and not os.environ.get("PYNQ_BNN_STRICT"):
        return _WithoutCocotb.from_parent(parent, path=module_path)
    return None


@pytest.fixture(scope="session")
def bench_folder(tmp_path_factory):
    """Where benches are built; fails or skips where they cannot be."""
    require_tools()
    return tmp_path_factory.mktemp("benches")


@pytest.fixture
def simulate(bench_folder, request):
    """``simulate(bench)`` runs the coroutines of the test's own file."""

    def run_bench(bench):
        run(bench, module_name(request.path), bench_folder / request.path.stem, bench_folder / "runtime")

    return run_bench
