"""The program ``dgm``, also as ``python -m dgm``."""

from __future__ import annotations

import signal
import sys


def main() -> None:
    """Run the program with the words of the command line, and exit with its status."""
    from . import _native

    # The program has its own way with Ctrl-C: it writes a checkpoint.
    signal.signal(signal.SIGINT, signal.SIG_DFL)
    sys.exit(_native.program(["dgm", *sys.argv[1:]]))


if __name__ == "__main__":
    main()
