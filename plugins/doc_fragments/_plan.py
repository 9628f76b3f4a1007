# Copyright: (c) 2026, the sharedgpu.voice authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Documentation that the modules share: what is measured, and what the plan declares."""

from __future__ import annotations


class ModuleDocFragment:
    """The options of a measurement; sizes and durations are written as in C(vram_plan)."""

    DOCUMENTATION = r"""
options:
  profile:
    description:
      - Whose metrics to believe. With V(auto) every known exporter is asked for what it knows, and a contradiction
        between two makes the reading blind.
    type: str
    default: auto
    choices: [auto, dcgm, nvidia_gpu_exporter, nvitop, hami, llama_swap, gpu_pod_exporter]
  lookback:
    description:
      - How far back to look for peaks, such as V(7d). V(0s) looks at this instant only.
    type: str
    default: 7d
  max_age:
    description:
      - How old a sample may be, such as V(2m). An older one makes the reading blind, and so does an answer of an
        instant that lies as far from the clock of the host that runs the module.
    type: str
    default: 2m
  margin:
    description:
      - Slack for the race between a look at the free VRAM and a tenant's allocation.
      - A quantity such as V(2Gi), or an integer in bytes.
    type: raw
    default: 2Gi
  cards:
    description:
      - The cards, each found by its O(cards[].uuid) or its O(cards[].node). All that are found where this is left out.
    type: list
    elements: dict
    default: []
    suboptions:
      name:
        description: Name by which tenants refer to the card.
        type: str
        required: true
      node:
        description: Name of its Kubernetes node, or of the host as the exporter tells it.
        type: str
      uuid:
        description: UUID of the card, with or without C(GPU-).
        type: str
      total:
        description:
          - Physical memory. It may only lower what is measured, and is needed where no exporter knows the card.
          - A quantity such as V(15Gi), or an integer in bytes.
        type: raw
  tenants:
    description:
      - Who may hold how much VRAM.
    type: list
    elements: dict
    default: []
    suboptions:
      name:
        description: Name of the tenant.
        type: str
        required: true
      card:
        description: Name of its card. Needed where there are several.
        type: str
      mode:
        description:
          - V(warm) is always loaded, V(on_demand) loads when it is asked, V(gated) runs only while the gate admits it.
        type: str
        required: true
        choices: [warm, on_demand, gated]
      peak:
        description: The most VRAM that it takes. A quantity such as V(1536Mi), or an integer in bytes.
        type: raw
        required: true
      floor:
        description:
          - Free VRAM that must be there before the tenant is admitted. O(tenants[].peak) plus O(margin) where left out.
          - Only for V(gated). A quantity such as V(6Gi), or an integer in bytes.
        type: raw
      namespace:
        description: Namespace of its pods.
        type: str
        required: true
      pods:
        description:
          - Regular expression that the whole name of each of its pods matches.
          - Needed where several tenants without O(tenants[].target) share a namespace.
        type: str
      target:
        description: What the gate scales. Needed for V(gated).
        type: dict
        suboptions:
          kind:
            description: Kind of the object.
            type: str
            required: true
            choices: [Deployment]
          name:
            description: Name of the object.
            type: str
            required: true
      may_yield:
        description:
          - Whether the gate may stop the tenant when somebody else needs the card. It may where this is left out.
          - Only for V(gated).
        type: bool
      windows:
        description: When the tenant may run. Only for V(gated).
        type: list
        elements: dict
        suboptions:
          start:
            description: Clock time at which the window opens, in quotes, such as V(02:00).
            type: str
            required: true
          end:
            description: Clock time at which the window closes, in quotes.
            type: str
            required: true
          timezone:
            description: IANA name of the time zone, such as V(Europe/London).
            type: str
          days:
            description: Days on which the window opens, such as V(mon).
            type: list
            elements: str
"""

    CHECKS = r"""
options:
  checks:
    description:
      - How to take the failure of a check, V(fail) or V(warn), or V(off) to leave it out of the verdict.
      - A check that is not named fails the task, except where it says otherwise below.
    type: dict
    suboptions:
      blind:
        description: The reading is not trusted.
        type: str
        choices: [fail, warn, 'off']
      floor_below_need:
        description: A floor is smaller than the tenant's expected peak plus O(margin).
        type: str
        choices: [fail, warn, 'off']
      floor_unreachable:
        description: A floor is larger than what can ever be free, so that the gate could never open.
        type: str
        choices: [fail, warn, 'off']
      overcommitted:
        description:
          - The peaks of the V(warm) and V(on_demand) tenants and of the undeclared residents, with the driver's share,
            are more than the card has.
        type: str
        choices: [fail, warn, 'off']
      no_room_when_all_wake:
        description:
          - The same does not fit together with the peaks of the V(gated) tenants.
          - Left out, this is V(warn) for a card all of whose gated tenants may yield, else V(fail).
        type: str
        choices: [fail, warn, 'off']
      over_budget:
        description:
          - A tenant holds, or held in the look-back, more than its O(tenants[].peak).
          - Fails too where its history holds values that are no size, so that nobody knows what it held.
        type: str
        choices: [fail, warn, 'off']
      undeclared_resident:
        description:
          - Somebody holds VRAM whom nobody declared. It counts at its observed peak.
          - Left out, this is V(warn).
        type: str
        choices: [fail, warn, 'off']
      total_mismatch:
        description: The O(cards[].total) of a card is more than it has.
        type: str
        choices: [fail, warn, 'off']
"""
