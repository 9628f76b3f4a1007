# Copyright: (c) 2026, the sharedgpu.voice authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
module: gate_info
short_description: Ask what the off-peak gate would decide now, and why
version_added: 1.0.0
author:
  - the sharedgpu.voice authors (@sharedgpu)
description:
  - Looks once as the gate does, with its own program, the policy that it has, its own state, the live objects and
    a live reading, and says in words and numbers what it would decide about each gated tenant.
  - Says as well what it decided last and when the next window opens or closes.
  - Touches nothing and needs no gate that lives. A card that cannot be read is an answer, not a failure.
  - What the gate keeps in its mind alone is not known here, such as for how long it has been blind or nobody has asked.
    It counts from what the gate wrote last.
extends_documentation_fragment:
  - sharedgpu.voice._attributes
  - sharedgpu.voice._prometheus
options:
  prometheus_url:
    description:
      - Address of Prometheus, or of what speaks its query API, as seen from where this runs.
      - That of the gate's own plan where it is left out.
    type: str
    required: false
  name:
    description: Name of the gate.
    type: str
    default: offpeak-gate
  namespace:
    description: Namespace of the gate.
    type: str
    default: offpeak-gate
  plan:
    description:
      - The whole plan, usually the variable C(vram_plan). The result says whether it is the one that the gate has.
      - Where no gate is deployed, this is what it would decide by.
    type: dict
  kubeconfig:
    description:
      - File with the access to the cluster. All of E(K8S_AUTH_KUBECONFIG), E(K8S_AUTH_HOST) and the other variables of
        P(kubernetes.core.k8s#module) count where it is left out, and at last E(KUBECONFIG) or C(~/.kube/config).
    type: path
  context:
    description: Name of a context of that file.
    type: str
requirements:
  - requests
  - kubernetes >= 24.2.0
seealso:
  - module: sharedgpu.voice.vram_info
  - module: sharedgpu.voice.vram_floor
"""

EXAMPLES = r"""
- name: Ask why text to speech does not run
  sharedgpu.voice.gate_info:
    plan: "{{ vram_plan }}"
  register: gate

- name: Show it
  ansible.builtin.debug:
    msg: "{{ gate.msg.splitlines() }}"

- name: Wait until the gate would admit it
  sharedgpu.voice.gate_info:
  register: gate
  until: gate.targets[0].decision.reason == 'ADMITTED'
  retries: 60
  delay: 10
"""

RETURN = r"""
msg:
  description: All of it as a table for people, or what is wrong with an option.
  returned: always
  type: str
  sample: "gate offpeak-gate/offpeak-gate at 2026-03-01T02:00:05Z: it runs"
gate:
  description: What stands of the gate itself.
  returned: success
  type: dict
  contains:
    name:
      description: Its name.
      type: str
      sample: offpeak-gate
    namespace:
      description: Its namespace.
      type: str
      sample: offpeak-gate
    deployed:
      description: Whether it has a policy there.
      type: bool
      sample: true
    ready:
      description: Whether its pod is ready, V(null) where none runs all the time.
      type: bool
      sample: true
    dry_run:
      description: Whether it only says what it would do, V(null) where no pod of it runs all the time.
      type: bool
      sample: false
    has_the_plan:
      description: Whether O(plan) is the one that it goes by, V(null) where there is nothing to compare.
      type: bool
      sample: true
    policy_problem:
      description: Why its policy cannot be used, V(null) where it can.
      type: str
      sample: null
    remarks:
      description: What to know beside the decisions, as sentences.
      type: list
      elements: str
      sample: []
targets:
  description: The gated tenants in the order of the plan.
  returned: success
  type: list
  elements: dict
  contains:
    tenant:
      description: Name of the tenant.
      type: str
      sample: tts
    namespace:
      description: Namespace of its target.
      type: str
      sample: tts
    target:
      description: Name of the Deployment.
      type: str
      sample: chatterbox-tts
    floor_bytes:
      description: Room that it needs to enter.
      type: int
      sample: 6442450944
    guard_bytes:
      description: Room below which it leaves.
      type: int
      sample: 5368709120
    window:
      description: Whether one of its windows is open, and when that changes next.
      type: dict
      sample: {open: true, changes_at: "2026-03-01T06:00:00Z"}
    decision:
      description:
        - What the gate would decide now. V(null) where nothing could be decided.
        - C(replicas) is V(null) where the target would be left as it is.
        - C(changes) tells whether something would be written, C(numbers) holds sizes in bytes and times in seconds.
      type: dict
      sample:
        replicas: 0
        reason: NO_ROOM
        sentence: With all others at their peaks there is not enough left for it, or for one that runs; it waits.
        numbers: {free_bytes: 9126805504, room_to_enter_bytes: 4294967296, floor_bytes: 6442450944}
        changes: false
    last_change:
      description: What the gate last made of it, by its state. V(null) where it has not changed it yet.
      type: dict
      sample: {at: "2026-03-01T01:12:05Z", replicas: 0}
    last_event:
      description: The newest of its Events. V(null) where the API server has none any more.
      type: dict
      sample:
        at: "2026-03-01T01:12:05.120000Z"
        reason: GUARD_YIELD
        note: "tts: Others need the card: what is left for it is below its guard level, so it leaves."
errors:
  description: What could not be read, and what to do about it.
  returned: success
  type: list
  elements: str
  sample: []
"""

from ..module_utils.adapters.module import PrometheusModule
from ..module_utils.adapters.spec import CONSTRAINTS, connection_spec
from ..module_utils.explain.run import run_module


def main() -> None:
    """Run the module."""
    spec = {
        **connection_spec(required=False),
        "name": {"type": "str", "default": "offpeak-gate"},
        "namespace": {"type": "str", "default": "offpeak-gate"},
        "plan": {"type": "dict"},
        "kubeconfig": {"type": "path"},
        "context": {"type": "str"},
    }
    run_module(PrometheusModule(argument_spec=spec, supports_check_mode=True, **CONSTRAINTS))


if __name__ == "__main__":
    main()
