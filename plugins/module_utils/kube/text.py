# Copyright: (c) 2026, the sharedgpu.voice authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Objects as people read them: YAML, with the lines of a file below each other."""

from __future__ import annotations

import contextlib
from typing import Any, Optional

from .objects import Object, visible

with contextlib.suppress(ImportError):  # AnsibleK8SModule has reported it before anything here runs
    import yaml


def as_text(item: Optional[Object]) -> str:
    """Return what a person means by the object; nothing for None."""
    if item is None:
        return ""

    class Dumper(yaml.SafeDumper):
        """Keeps the aliases and the block style of files to this function."""

        def ignore_aliases(self, data: Any) -> bool:
            return True

    Dumper.add_representer(str, _string)
    text: str = yaml.dump(visible(item), Dumper=Dumper, allow_unicode=True, width=120)
    return text


def _string(dumper: Any, text: str) -> Any:
    return dumper.represent_scalar("tag:yaml.org,2002:str", text, style=_style(text))


def _style(text: str) -> Optional[str]:
    """Return the style that shows a text best and loses nothing of it; None leaves it to the library."""
    lines = text.rstrip("\n").split("\n")
    if text.rstrip("\n").splitlines() not in (lines, []):
        return '"'  # other line breaks than \n: only escapes keep them
    return "|" if "\n" in text and lines[0].strip() else None
