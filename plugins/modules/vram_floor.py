# Copyright: (c) 2026, the sharedgpu.voice authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
module: vram_floor
short_description: Fail when a plan for shared GPU memory is not safe
version_added: 1.0.0
author:
  - the sharedgpu.voice authors (@sharedgpu)
description:
  - Measures who holds how much VRAM on the cards, compares it with what was declared, and fails with the numbers
    when the plan is not safe.
  - Nothing keeps a tenant of a time-sliced GPU from taking the memory of the others. This module says before a
    deployment whether everybody fits, and whether a gated tenant's floor is high enough to be safe and low enough
    to be met.
  - A number that cannot be trusted is never taken for zero. Without a trustworthy reading the check V(blind) fails.
extends_documentation_fragment:
  - sharedgpu.voice._attributes
  - sharedgpu.voice._prometheus
  - sharedgpu.voice._plan
  - sharedgpu.voice._plan.checks
seealso:
  - module: sharedgpu.voice.vram_info
"""

EXAMPLES = r"""
- name: Refuse to go on where the plan does not fit
  sharedgpu.voice.vram_floor:
    prometheus_url: "{{ vram_plan.prometheus_url }}"
    cards: "{{ vram_plan.cards }}"
    tenants: "{{ vram_plan.tenants }}"
    margin: 2Gi
    checks:
      undeclared_resident: fail
  register: vram

- name: Show the table
  ansible.builtin.debug:
    msg: "{{ vram.msg.splitlines() }}"

- name: Say what to write into the plan
  ansible.builtin.debug:
    msg: "floor of {{ item.key }}: {{ item.value.recommended_bytes | sharedgpu.voice.bytes_to_quantity }}"
  loop: "{{ vram.floors | dict2items }}"
"""

RETURN = r"""
safe:
  description: Whether no check of level V(fail) has failed. The task fails where it is V(false).
  returned: always
  type: bool
  sample: true
msg:
  description: The table of cards, tenants and checks, or what is wrong with an option.
  returned: always
  type: str
  sample: "VRAM plan: safe"
checks:
  description: The answer to each check.
  returned: always
  type: list
  elements: dict
  contains:
    name:
      description: Name of the check, as in O(checks).
      type: str
      sample: floor_below_need
    level:
      description: V(fail), V(warn) or V(off).
      type: str
      sample: fail
    passed:
      description: Whether it is as it should be.
      type: bool
      sample: true
    msg:
      description: The answer in words.
      type: str
      sample: "tts: floor 6.00 GiB covers expected peak 4.00 GiB + margin 2.00 GiB"
    numbers:
      description: The numbers behind it, sizes in bytes.
      type: dict
      sample: {tenant: tts, card: t4, floor_bytes: 6442450944, needed_bytes: 6442450944}
cards:
  description: The cards that were found.
  returned: always
  type: list
  elements: dict
  contains:
    name:
      description: Name of the card, as declared or else its UUID.
      type: str
      sample: t4
    uuid:
      description: UUID of the card, V(null) where no exporter knows it.
      type: str
      sample: GPU-4b1f2c6e-0d5a-4a71-9c3e-2f8d6b7a9e10
    node:
      description: Its node, V(null) where no exporter knows it.
      type: str
      sample: gpu-1
    model:
      description: Model, empty where no exporter tells it.
      type: str
      sample: Tesla T4
    total_bytes:
      description: Memory of the card, or the declared O(cards[].total) where that is less.
      type: int
      sample: 16106127360
    total_source:
      description: V(measured), or V(declared) where no exporter knows the card.
      type: str
      sample: measured
    used_bytes:
      description: Memory that is held now.
      type: int
      sample: 4613734400
    free_bytes:
      description: Memory that is free now.
      type: int
      sample: 11020533760
    reserved_bytes:
      description: What the driver keeps for itself, V(null) where no exporter tells it.
      type: int
      sample: 471859200
    age_seconds:
      description: Age of the oldest sample.
      type: float
      sample: 12.5
    profile:
      description: Name of the metric profile that knows the card.
      type: str
      sample: dcgm
residents:
  description: Who holds, or held in the look-back, VRAM.
  returned: always
  type: list
  elements: dict
  sample:
    - card: t4
      tenant: stt
      namespace: portal-stt
      pod: speaches-6d5c9f7b8-x2x4k
      used_bytes: 1503238553
      peak_bytes: 1589137408
floors:
  description: Floors of the gated tenants, by name.
  returned: always
  type: dict
  sample:
    tts:
      configured_bytes: 6442450944
      recommended_bytes: 6442450944
      needed_bytes: 6442450944
      reachable_bytes: 13488881664
worst_case_bytes:
  description: What everybody on a card may take together with the driver, by card.
  returned: always
  type: dict
  sample: {t4: 13883146240}
headroom_bytes:
  description: What is left of a card then; below zero, it does not fit.
  returned: always
  type: dict
  sample: {t4: 2222981120}
history:
  description: How far back peaks were looked for, and how much of that Prometheus has.
  returned: always
  type: dict
  sample: {lookback_seconds: 604800, covered_seconds: 604740}
"""

from ..module_utils.adapters.module import VramModule, run_module


def main() -> None:
    """Run the module."""
    run_module(VramModule(judged=True))


if __name__ == "__main__":
    main()
