"""Writes what a play did as JSON, for tests: ansible-core itself brings no machine-readable output any more."""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import Any

from ansible.parsing.ajson import AnsibleJSONEncoder
from ansible.plugins.callback import CallbackBase

DOCUMENTATION = """
name: results
type: aggregate
short_description: Writes task results and statistics to a file
description:
  - Writes one JSON object with the keys C(tasks) and C(stats) to the file that E(TEST_RESULTS_FILE) names.
requirements: [enabled in configuration]
"""


class CallbackModule(CallbackBase):  # type: ignore[misc]  # ansible-core has no types
    CALLBACK_VERSION = 2.0
    CALLBACK_TYPE = "aggregate"
    CALLBACK_NAME = "results"
    CALLBACK_NEEDS_ENABLED = True

    def __init__(self) -> None:
        super().__init__()
        self._tasks: list[dict[str, Any]] = []

    def _note(self, outcome: str, result: Any) -> None:
        task = {"name": result._task.get_name(), "action": result._task.action, "host": result._host.get_name()}
        self._tasks.append({**task, "outcome": outcome, "result": result._result})

    def v2_runner_on_ok(self, result: Any) -> None:
        self._note("changed" if result._result.get("changed") else "ok", result)

    def v2_runner_on_failed(self, result: Any, ignore_errors: bool = False) -> None:
        self._note("ignored" if ignore_errors else "failed", result)

    def v2_runner_on_skipped(self, result: Any) -> None:
        self._note("skipped", result)

    def v2_runner_on_unreachable(self, result: Any) -> None:
        self._note("unreachable", result)

    def v2_playbook_on_stats(self, stats: Any) -> None:
        summary = {host: stats.summarize(host) for host in stats.processed}
        text = json.dumps({"tasks": self._tasks, "stats": summary}, cls=AnsibleJSONEncoder)
        Path(os.environ["TEST_RESULTS_FILE"]).write_text(text, encoding="utf-8")
