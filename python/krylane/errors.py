"""Exceptions and warnings of krylane."""

from __future__ import annotations

from typing import Any

__all__ = [
    "DeviceError",
    "InputError",
    "Interrupted",
    "KrylaneError",
    "KrylaneWarning",
    "NotConverged",
]


class KrylaneError(Exception):
    """Base class of krylane's exceptions."""


class InputError(KrylaneError, ValueError):
    """A matrix, vector or option that can't be used as given; the message says what to change."""


class DeviceError(KrylaneError, RuntimeError):
    """No adapter fits the request, or a GPU refused work."""


class NotConverged(KrylaneError):
    """A result that does not meet the tolerance, as an exception; `result` is the whole result."""

    def __init__(self, result: Any) -> None:
        super().__init__(f"{result.reason}{' (' + result.detail + ')' if result.detail else ''}: {result.advice}")
        self.result = result

    def __reduce__(self) -> tuple:
        return (NotConverged, (self.result,))


class Interrupted(KeyboardInterrupt):
    """Ctrl-C during a solve; `result` holds the best x so far."""

    def __init__(self, result: Any = None) -> None:
        super().__init__("the solve was interrupted; the best x so far is in .result")
        self.result = result


class KrylaneWarning(UserWarning):
    """A warning about a solve."""
