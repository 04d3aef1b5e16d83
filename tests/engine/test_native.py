"""The library: found, refused with the reason, or missing; and what takes its place then."""

import logging
import multiprocessing
import subprocess

import pytest

from pynq_bnn.backends import CompiledBackend, CpuBackend, compiled, create_backend
from pynq_bnn.engine import default_threads, native
from pynq_bnn.errors import BackendError


def test_a_missing_library_leaves_numpy(random_network, monkeypatch, tmp_path):
    monkeypatch.setattr(native, "_HERE", tmp_path)
    find = native.find_library.__wrapped__
    assert find() is None
    monkeypatch.setattr(compiled, "find_library", find)
    assert type(create_backend("cpu", random_network(1))) is CpuBackend
    with pytest.raises(BackendError, match="no compiled engine here: install pynq-bnn again where there is a C comp"):
        CompiledBackend(random_network(1))


def test_with_the_library_cpu_is_the_compiled_engine(random_network, library):
    with create_backend("cpu", random_network(1)) as backend:
        assert type(backend) is CompiledBackend
        assert (backend.name, backend.instruction_set) == ("cpu", library.instruction_sets[0])


def test_a_damaged_library_is_refused_with_the_reason(tmp_path, caplog):
    path = tmp_path / "_kernels.so"
    path.write_bytes(b"half a library")
    with caplog.at_level(logging.WARNING):
        assert native.load_library(path) is None
    assert "is not used, NumPy computes instead" in caplog.text


@pytest.mark.parametrize(("code", "expected"), [
    ("int bnn_interface(void) { return 1; }", "NumPy computes instead"),
    ("int bnn_interface(void) { return 999; } long bnn_sizes(int n) { return 8; } int bnn_instruction_sets(void) "
     "{ return 0; } void *bnn_instruction_set_name, *bnn_instruction_set_usable, *bnn_pixel_taps, *bnn_work_words, "
     "*bnn_run;", "of another version of pynq-bnn")])
def test_a_library_of_another_version_is_refused(tmp_path, caplog, code, expected):
    path = tmp_path / "_kernels.so"
    (tmp_path / "old.c").write_text(code)
    try:
        subprocess.run(["cc", "-shared", "-fPIC", "-o", path, tmp_path / "old.c"], check=True)
    except FileNotFoundError:
        pytest.skip("no C compiler")
    with caplog.at_level(logging.WARNING):
        assert native.load_library(path) is None
    assert expected in caplog.text


def test_portable_code_is_always_there_and_last(library):
    assert library.instruction_sets[-1] == "portable"


def test_a_worker_process_takes_one_thread():
    assert default_threads() >= 1
    with multiprocessing.get_context("spawn").Pool(1) as pool:
        assert pool.apply_async(default_threads).get(timeout=60) == 1
