"""The command line: `krylane`, or `python -m krylane`."""

from __future__ import annotations

import signal
import sys


def main() -> int:
    """Runs the program `krylane` with this process's words; its exit code."""
    # The program catches Ctrl-C itself, and writes what it has.
    signal.signal(signal.SIGINT, signal.SIG_DFL)
    from . import _core

    return _core.cli(["krylane", *sys.argv[1:]])


if __name__ == "__main__":
    sys.exit(main())
