"""The command line: `krylane`, or `python -m krylane`."""

from __future__ import annotations

import os
import signal
import sys


def main() -> int:
    """Runs the program `krylane` with this process's words; its exit code."""
    if sys.platform == "linux" and "XDG_RUNTIME_DIR" not in os.environ:
        # Mesa's device-select layer writes `error:` to stderr without one, and has nothing to select here.
        os.environ["NODEVICE_SELECT"] = "1"
    # The program catches Ctrl-C itself, and writes what it has.
    signal.signal(signal.SIGINT, signal.SIG_DFL)
    from . import _core

    return _core.cli(["krylane", *sys.argv[1:]])


if __name__ == "__main__":
    sys.exit(main())
