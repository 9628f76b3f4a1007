# Copyright: (c) 2026, the sharedgpu.voice authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Documentation that the modules share: what they support."""

from __future__ import annotations


class ModuleDocFragment:
    """Attributes of modules that only read."""

    DOCUMENTATION = r"""
options: {}
attributes:
  check_mode:
    support: full
    description: Can run in C(check_mode), where it does the same, because it only reads.
  diff_mode:
    support: N/A
    description: Returns what changed, or would change, when run in diff mode.
    details:
      - Nothing ever changes.
  idempotent:
    support: full
    description: Changes nothing when it runs again with the same options.
    details:
      - What is measured may differ from run to run.
  action_group:
    support: full
    description: Takes defaults from C(module_defaults) of the group with this name.
    details:
      - Use C(group/sharedgpu.voice.gpu).
    membership:
      - sharedgpu.voice.gpu
"""
