"""The command ``pynq-bnn``: parses arguments, calls ``commands``, prints each error as one line."""

from __future__ import annotations

import argparse
import logging
import os
import sys
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING

from .backends import BACKENDS
from .commands import bench, camera, classify, evaluate, info, study, train
from .commands.engines import PEERS
from .errors import PynqBnnError
from .network.checks import one_line
from .network.spec import FITS
from .pictures.preparation import BNN_PYNQ_FITS
from .version import __version__

if TYPE_CHECKING:
    Commands = argparse._SubParsersAction[argparse.ArgumentParser]

EXIT_ERROR = 2
EXIT_INTERRUPTED = 130


class _OneLine(logging.Formatter):
    """Escapes log messages: file names may hold line ends and terminal control characters."""

    def format(self, record: logging.LogRecord) -> str:
        return one_line(super().format(record))


def main(argv: list[str] | None = None) -> int:
    """Run the command line; returns the exit status (0, 1: verification failed, 2: error)."""
    handler = logging.StreamHandler()
    handler.setFormatter(_OneLine("%(message)s"))
    logging.basicConfig(level=logging.WARNING, handlers=[handler])
    # Building a simulator takes a minute; the user should see why nothing happens.
    logging.getLogger("pynq_bnn.simulation.build").setLevel(logging.INFO)
    for stream in (sys.stdout, sys.stderr):
        if hasattr(stream, "reconfigure"):
            stream.reconfigure(errors="backslashreplace")
    arguments = build_parser().parse_args(argv)
    try:
        status: int = arguments.run(arguments)
        sys.stdout.flush()
        return status
    except PynqBnnError as error:
        return _fail(str(error))
    except MemoryError:
        return _fail("out of memory; classify fewer or smaller pictures at a time, or train with a smaller --batch")
    except KeyboardInterrupt:
        print("interrupted", file=sys.stderr)
        return EXIT_INTERRUPTED
    except BrokenPipeError:
        _drop_output()  # the reader (head, less) has gone
        return 0
    except OSError as error:
        _drop_output()
        return _fail(f"{error.filename or 'standard output'}: {error.strerror or error}")


def _drop_output() -> None:
    """Keep Python from flushing stdout at exit, which would fail with another traceback."""
    os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())


def _fail(message: str) -> int:
    print(f"pynq-bnn: {one_line(message)}", file=sys.stderr)
    return EXIT_ERROR


def build_parser() -> argparse.ArgumentParser:
    """The parser of all commands."""
    parser = argparse.ArgumentParser(prog="pynq-bnn", description="Binarized neural networks, from training to gates.")
    parser.add_argument("--version", action="version", version=f"pynq-bnn {__version__}")
    commands = parser.add_subparsers(metavar="COMMAND", required=True)
    for add in (_add_classify, _add_show, _add_camera, _add_evaluate, _add_verify, _add_networks, _add_info, _add_train,
                _add_study, _add_compile, _add_import, _add_bench):
        add(commands)
    return parser


def _command(commands: Commands, name: str, run: Callable[[argparse.Namespace], int],
             help: str) -> argparse.ArgumentParser:
    parser = commands.add_parser(name, help=help, description=help)
    parser.set_defaults(run=run)
    return parser


def _network_options(parser: argparse.ArgumentParser, positional: bool) -> None:
    what = "name of a shipped network (see: pynq-bnn networks) or path of a .bnn file"
    if positional:
        parser.add_argument("network", metavar="NETWORK", help=what)
    else:
        parser.add_argument("--network", metavar="NETWORK", default="cnv-cifar10", help=what)
    parser.add_argument("--backend", default="auto", metavar="NAME", help=f"auto, {', '.join(BACKENDS)}")


def _trace_option(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--trace", metavar="FILE", help="with --backend rtl: write all waves to this FST file")


def _data_option(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--data", required=True, metavar="DIR",
                        help="CIFAR-10 binary, MNIST idx, SVHN .mat, GTSRB, or class folders")


def _fit_option(parser: argparse.ArgumentParser, fits: Sequence[str], default: str = "the network's rule") -> None:
    parser.add_argument("--fit", choices=fits, help=f"how pictures of another size are fitted (default: {default})")


def _add_classify(commands: Commands) -> None:
    parser = _command(commands, "classify", classify.classify, "Label pictures and folders of pictures.")
    parser.add_argument("paths", nargs="+", metavar="PATH", help="picture or folder of pictures")
    _network_options(parser, positional=False)
    _fit_option(parser, (*FITS, *BNN_PYNQ_FITS))
    _trace_option(parser)
    parser.add_argument("--top", type=_positive, default=3, metavar="K", help="show the K best classes (3)")
    parser.add_argument("--json", action="store_true", help="print a JSON list instead of text")


def _add_show(commands: Commands) -> None:
    parser = _command(commands, "show", classify.show,
                      "Draw pictures, what the network sees of them, and its answer, into one PNG.")
    parser.add_argument("paths", nargs="+", metavar="PATH", help="picture or folder of pictures")
    _network_options(parser, positional=False)
    _fit_option(parser, (*FITS, *BNN_PYNQ_FITS))
    _trace_option(parser)
    parser.add_argument("-o", "--output", default="result.png", metavar="PNG",
                        help="where to write (result.png); of many pictures the rest goes into result-2.png and so on")


def _add_camera(commands: Commands) -> None:
    parser = _command(commands, "camera", camera.camera,
                      "Label what a camera sees, or a video, until q or Ctrl-C (needs the extra 'camera').")
    parser.add_argument("source", nargs="?", default="0", metavar="SOURCE",
                        help="number of a camera (0), a stream (rtsp://...), a video, a folder of pictures, or "
                             "shot-%%04d.png")
    parser.add_argument("--list", action="store_true", help="list the cameras with their numbers")
    _network_options(parser, positional=False)
    _fit_option(parser, (*FITS, *BNN_PYNQ_FITS))
    parser.add_argument("--frames", type=_positive, metavar="N", help="stop after N frames")
    parser.add_argument("-o", "--output", metavar="FILE",
                        help="record a video (.avi, .mp4), or keep the last frame (.png, .jpg)")
    parser.add_argument("--window", action=argparse.BooleanOptionalAction,
                        help="show a window, or lines of text (default: a window where there is a display)")
    parser.add_argument("--width", type=_positive, default=640, metavar="PIXELS", help="of window and recording (640)")
    parser.add_argument("--json", action="store_true", help="print one JSON object per frame")


def _add_evaluate(commands: Commands) -> None:
    parser = _command(commands, "evaluate", evaluate.evaluate, "Measure accuracy on the test split of a data set.")
    _network_options(parser, positional=True)
    _data_option(parser)
    _fit_option(parser, (*FITS, *BNN_PYNQ_FITS))
    parser.add_argument("--json", action="store_true", help="print one JSON object")
    parser.add_argument("--confusion", metavar="PNG", help="also draw the confusion matrix")


def _add_verify(commands: Commands) -> None:
    parser = _command(commands, "verify", evaluate.verify,
                      "Check a backend bit by bit: the golden image, then every layer. Exit status 1 on a difference.")
    _network_options(parser, positional=True)
    parser.add_argument("--images", type=_positive, default=8, metavar="N", help="number of pictures (8)")
    parser.add_argument("--data", metavar="DIR", help="take them from this data set instead of noise")
    _trace_option(parser)


def _add_networks(commands: Commands) -> None:
    parser = _command(commands, "networks", info.networks, "List the published topologies and the shipped networks.")
    parser.add_argument("--json", action="store_true")


def _add_info(commands: Commands) -> None:
    parser = _command(commands, "info", info.info, "Show what a .bnn file holds.")
    parser.add_argument("network", metavar="NETWORK", help="path of a .bnn file or name of a shipped network")
    parser.add_argument("--json", action="store_true")


def _add_train(commands: Commands) -> None:
    parser = _command(commands, "train", train.train, "Train a topology with Brevitas (needs the extra 'train').")
    parser.add_argument("network", metavar="NETWORK", help="name of a published topology or path of a .json table")
    _data_option(parser)
    parser.add_argument("--out", required=True, metavar="DIR", help="directory for checkpoints, CSV and curves")
    parser.add_argument("--width", type=_positive, default=1, metavar="N",
                        help="multiply the channels and units of every hidden layer by N (1)")
    parser.add_argument("--from", dest="start", metavar="NETWORK",
                        help="start from the weights of a shipped network, .bnn file, or training (default with few "
                        f"pictures: the shipped network with these layers; {train.SCRATCH}: random weights)")
    parser.add_argument("--teacher", metavar="TRAINING",
                        help="also learn from this network (usually one trained with --real)")
    parser.add_argument("--resume", action="store_true", help="continue the training in --out")
    _training_options(parser)
    parser.add_argument("--capture", action=argparse.BooleanOptionalAction,
                        help="replay each step as one CUDA graph (default: where there is CUDA and one process)")
    _fit_option(parser, FITS, "digit for grey pictures of ten and more classes named by one letter or digit each, else"
                              " extend")
    for flag, kind, help in train.CONFIG_OPTIONS:
        default = train.config_default(flag)
        if kind is bool:
            parser.add_argument(f"--{flag}", action=argparse.BooleanOptionalAction, help=help)
        elif isinstance(kind, tuple):
            parser.add_argument(f"--{flag}", choices=kind, help=f"{help} ({default})")
        else:
            parser.add_argument(f"--{flag}", type=kind, metavar="N", help=f"{help} ({default})")


def _training_options(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--no-test", action="store_true",
                        help="do not read the test pictures at the end, while settings are still being chosen")
    parser.add_argument("--device", choices=("cpu", "cuda"), help="default: cuda where available")
    parser.add_argument("--quiet", action="store_true", help="no progress bar")


def _add_study(commands: Commands) -> None:
    parser = _command(commands, "study", study.study,
                      "Train the rows of a study and compare them; the same command continues an interrupted study."
                      " Exit status 1 if a row failed.")
    parser.add_argument("file", metavar="FILE", help="JSON file of named rows, or the name of one that ships (shipped)")
    _data_option(parser)
    parser.add_argument("--out", required=True, metavar="DIR",
                        help="directory for the table, the curves, and one training folder per row")
    parser.add_argument("--epochs-scale", type=float, metavar="F",
                        help="multiply the epochs of each row by F, for a trial (1)")
    parser.add_argument("--seconds", type=float, metavar="N",
                        help="instead: scale all epochs so that the study ends in about this time")
    _training_options(parser)


def _add_compile(commands: Commands) -> None:
    parser = _command(commands, "compile", train.compile,
                      "Fold a checkpoint into a .bnn file (needs the extra 'train').")
    parser.add_argument("checkpoint", metavar="CHECKPOINT",
                        help="the --out directory of a training, or a .pt file in it")
    parser.add_argument("-o", "--output", required=True, metavar="NAME.bnn")
    _fit_option(parser, FITS)


def _add_import(commands: Commands) -> None:
    parser = _command(commands, "import", train.import_bnn_pynq, "Convert a BNN-PYNQ parameter folder to a .bnn file.")
    parser.add_argument("folder", metavar="FOLDER", help="cnvW1A1 or lfcW1A1 parameters with classes.txt beside them")
    parser.add_argument("-o", "--output", required=True, metavar="NAME.bnn")


def _add_bench(commands: Commands) -> None:
    parser = _command(commands, "bench", bench.bench, "Measure speed, also in cycles of the accelerator.")
    parser.add_argument("network", nargs="?", default="cnv-cifar10", metavar="NETWORK",
                        help="shipped network, .bnn file, or topology (with random weights) (cnv-cifar10)")
    group = parser.add_mutually_exclusive_group()
    group.add_argument("--kernels", action="store_true",
                       help="compare the engines of the CPU on one core, each instruction set, and NumPy's two")
    group.add_argument("--train", action="store_true",
                       help="compare a training step, on CUDA also captured, with a real-valued network's and with"
                            " stock Brevitas'")
    parser.add_argument("--against", choices=PEERS, action="append", default=[], metavar="LIBRARY",
                        help=f"--kernels, and the same network in floating point: {' or '.join(PEERS)}")
    parser.add_argument("--images", type=_positive, default=256, metavar="N", help="pictures (256)")
    parser.add_argument("--backend", choices=("cpu", "rtl"), default="cpu", help="what to measure (cpu)")
    parser.add_argument("--batch", type=_positive, default=512, metavar="N", help="rtl: images per batch (512)")
    parser.add_argument("--lanes", type=_positive, metavar="N", help="rtl: images in lockstep (8)")
    parser.add_argument("--clock", type=_megahertz, default=100.0, metavar="MHZ", help="rtl: clock for images/s (100)")
    parser.add_argument("-o", "--output", metavar="PNG", help="rtl: draw a chart")
    parser.add_argument("--json", action="store_true")


def _positive(text: str) -> int:
    value = int(text)
    if value < 1:
        raise argparse.ArgumentTypeError(f"{text} is less than 1")
    return value


def _megahertz(text: str) -> float:
    value = float(text)
    if not 1 <= value <= 1000:
        raise argparse.ArgumentTypeError(f"{text} is not between 1 and 1000 MHz")
    return value
