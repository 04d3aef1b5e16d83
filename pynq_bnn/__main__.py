"""``python -m pynq_bnn`` is the command ``pynq-bnn``."""

import sys

from .cli import main

if __name__ == "__main__":
    sys.exit(main())
