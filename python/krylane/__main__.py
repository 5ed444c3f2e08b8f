"""The command line: `krylane`, or `python -m krylane`."""

from __future__ import annotations

import signal
import sys


def main() -> int:
    """Runs the program `krylane` with this process's arguments; returns its exit code."""
    # The program handles Ctrl-C itself, and writes the results so far.
    signal.signal(signal.SIGINT, signal.SIG_DFL)
    from . import _core

    return _core.cli(["krylane", *sys.argv[1:]])


if __name__ == "__main__":
    sys.exit(main())
