"""The one error that a person sees: what is wrong, where, and what to do next."""

from __future__ import annotations


class ClusterError(Exception):
    """The cluster cannot do what was asked; the text is for a person."""


class PortTaken(ClusterError):
    """Somebody else took the port of a component between choosing it and listening on it."""

    def __init__(self, component: str, message: str) -> None:
        super().__init__(message)
        self.component = component
