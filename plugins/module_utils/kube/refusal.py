# Copyright: (c) 2026, the sharedgpu.voice authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What the API server refused, as an error that knows the object, the fields and the remedy. Pure."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from typing import Any, Optional

from .objects import Object, title

MAX_DETAIL = 300
# A difference below the complaint, in the one or the other form that Kubernetes versions have for it.
_DIFFERENCE = re.compile(r"^(?:@@ .* @@|\s*\w+\.\w+\{)$", re.MULTILINE)

IN_PLACE = (
    "this cannot be changed in place: put the former value back, or remove the object "
    "(the role's state: absent; volume claims and cluster-wide objects by hand, once nothing needs them) and run again"
)
# (what the server says, what to do about it); the first that matches counts.
REMEDIES: tuple[tuple[str, str], ...] = (
    (
        r"immutable|may not (?:change once set|be changed)|can ?not be (?:changed|less than)|updates .* are forbidden",
        IN_PLACE,
    ),
    (r"only dynamically provisioned pvc can be resized", IN_PLACE),
    (r"exceeded quota", "raise the ResourceQuota of the namespace, or ask for less"),
    (r"(?:maximum|minimum) \S+ usage per", "keep within the LimitRange of the namespace, or change it"),
    (
        r"no PriorityClass with name",
        "create the PriorityClass first (gpu_namespace_priority_class), or ask for another",
    ),
    (r"violates PodSecurity", "allow it with the namespace's pod-security label, or take the setting back"),
    (r"does not support dry run", "have the webhook's owner declare sideEffects: None or NoneOnDryRun"),
    (r"field not declared in schema", "the field does not exist in this Kubernetes version: check its spelling"),
    (r"cannot \w+ resource", "give the user of the kubeconfig this right, or use another one"),
    (r"denied", "satisfy the admission policy, or have its owner make an exception"),
)
OTHERWISE = "correct the value that it names and run again"


class Refused(Exception):
    """The API server refused one object."""

    def __init__(self, item: Object, status: Mapping[str, Any]) -> None:
        self.item = item
        self.code = int(status.get("code") or 0)
        self.reason = str(status.get("reason") or "")
        self.details = status.get("details") or {}
        self.text = _text(status)
        super().__init__(f"{title(item)}: {self.text}; {self.remedy}")

    @property
    def remedy(self) -> str:
        """Return what to do next."""
        if self.missing_namespace:
            return f"create the namespace {self.missing_namespace} first (role gpu_namespace, tag namespace)"
        if self.conflict:
            return "somebody changed it at the same time: run again"
        return next((remedy for said, remedy in REMEDIES if re.search(said, self.text)), OTHERWISE)

    @property
    def missing_namespace(self) -> Optional[str]:
        """Return the namespace whose absence is the reason, if it is."""
        missing = self.code == 404 and self.details.get("kind") == "namespaces"
        return str(self.details.get("name")) if missing else None

    @property
    def conflict(self) -> bool:
        """Return whether somebody else owns a field, or the object is another one than before."""
        return self.code == 409

    def about(self, item: Object, part: str = "") -> Refused:
        """Return the refusal of something that stands for ``item``, or for its ``part``, as a refusal of ``item``."""
        return Refused(item, {"code": self.code, "message": f"{part}{self.text}"})

    def says(self, pattern: str) -> bool:
        """Return whether the server's text matches ``pattern``."""
        return re.search(pattern, self.text) is not None


class Unknown(Refused):
    """The cluster does not know the kind of the object."""


class RefusedAll(Exception):
    """A run ends here: the message says what was refused or did not come, why, and what was done before."""


class Unreachable(Exception):
    """Nobody who speaks the Kubernetes API answered; the message says where and what to do."""


def status_of(body: object, code: object) -> dict[str, Any]:
    """Return the ``Status`` that an error response carries, or one made of its text."""
    text = body.decode("utf-8", "replace") if isinstance(body, bytes) else str(body or "")
    try:
        status = json.loads(text)
    except ValueError:
        status = None
    if isinstance(status, dict) and status.get("kind") == "Status":
        return status
    return {"message": text.strip() or f"HTTP status {code}", "code": code}


def _text(status: Mapping[str, Any]) -> str:
    """Return field and complaint of every cause once, without the values that the server repeats."""
    causes = (status.get("details") or {}).get("causes") or []
    told = [f"{cause.get('field')}: {_short(str(cause.get('message')))}" for cause in causes if cause.get("field")]
    return "; ".join(dict.fromkeys(told)) or _short(str(status.get("message")))


def _short(message: str) -> str:
    """Return ``message`` without a rejected value too long to read; what is wrong with it stands behind it."""
    if _DIFFERENCE.search(message):
        return f"{message.splitlines()[0]} ({_difference(message)})"
    if len(message) <= MAX_DETAIL:
        return message
    head, found, complaint = message.rpartition(": ")
    return f"{head[:60]}…: {complaint[-MAX_DETAIL:]}" if found else f"{message[:MAX_DETAIL]}…"


def _difference(message: str) -> str:
    """Return in one line what changes: the lines that begin with + and -."""
    told: list[str] = []
    opened = ""
    for line in message.splitlines()[1:]:
        words = " ".join(line.split()).rstrip(",")
        if words.endswith(("[", "{")) and ":" in words:
            opened = words
        elif line[:1] in ("+", "-"):
            # An entry of a list does not name its field: the line that opens the list does, once.
            told.append(words if ":" in words else f"{opened} {words}".strip())
            opened = ""
    text = ", ".join(told)
    return text if len(text) <= MAX_DETAIL else f"{text[:MAX_DETAIL]}…"
