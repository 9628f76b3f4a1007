# Copyright: (c) 2026, the sharedgpu.voice authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
module: vram_info
short_description: Measure who holds how much GPU memory
version_added: 1.0.0
author:
  - the sharedgpu.voice authors (@sharedgpu)
description:
  - Measures the VRAM of the cards and of everybody who holds some, now and at their peak over the look-back.
  - Takes the same measurement as M(sharedgpu.voice.vram_floor) and does not judge it. It fails only when it cannot
    measure.
extends_documentation_fragment:
  - sharedgpu.voice._attributes
  - sharedgpu.voice._prometheus
  - sharedgpu.voice._plan
seealso:
  - module: sharedgpu.voice.vram_floor
"""

EXAMPLES = r"""
- name: Measure every card that Prometheus knows
  sharedgpu.voice.vram_info:
    prometheus_url: http://prometheus.monitoring.svc:9090
    lookback: 1d
  register: vram

- name: Show who holds how much
  ansible.builtin.debug:
    msg: "{{ item.namespace }}/{{ item.pod }}: {{ item.used_bytes | sharedgpu.voice.human_size }}"
  loop: "{{ vram.residents }}"
  loop_control:
    label: "{{ item.pod }}"
"""

RETURN = r"""
msg:
  description: The table of cards and residents, or why nothing could be measured.
  returned: always
  type: str
  sample: "VRAM: measured"
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
    run_module(VramModule(judged=False))


if __name__ == "__main__":
    main()
