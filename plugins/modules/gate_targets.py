# Copyright: (c) 2026, the sharedgpu.voice authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
module: gate_targets
short_description: Refuse targets that a gate would not have to itself
version_added: 1.0.0
author:
  - the sharedgpu.voice authors (@sharedgpu)
description:
  - Fails when what a gate is to scale is not there, or when somebody else scales it as well, and names who that is.
  - Looks for a HorizontalPodAutoscaler, for a ScaledObject of KEDA, and for another gate with rights over the target.
    Reading them needs the rights of whoever deploys; the gate itself has none of them.
extends_documentation_fragment:
  - kubernetes.core.k8s_auth_options
options:
  tenants:
    description: The gated tenants, as P(sharedgpu.voice.gate_policy#filter) returns them.
    type: list
    elements: dict
    required: true
    suboptions:
      name:
        description: Name of the tenant.
        type: str
        required: true
      namespace:
        description: Namespace of its target.
        type: str
        required: true
      target:
        description: Name of the Deployment.
        type: str
        required: true
  name:
    description: Name of the gate that is to scale them.
    type: str
    default: offpeak-gate
  namespace:
    description: Namespace of that gate.
    type: str
    default: offpeak-gate
requirements:
  - kubernetes >= 24.2.0
  - PyYAML >= 3.11
attributes:
  check_mode:
    support: full
    description: Only reads. A target that is not there does not fail it then, because a real run may make it before.
  diff_mode:
    support: N/A
    description: Nothing ever changes.
seealso:
  - module: sharedgpu.voice.gate_info
"""

EXAMPLES = r"""
- name: Refuse targets that somebody else scales
  sharedgpu.voice.gate_targets:
    tenants: "{{ (vram_plan | sharedgpu.voice.gate_policy).tenants }}"
"""

RETURN = r"""
state:
  description: What the gate keeps, the data of its ConfigMap; empty before it has acted.
  returned: unless the API server refuses to tell
  type: dict
  sample: {}
targets:
  description: What was found of each target.
  returned: unless the API server refuses to tell
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
    name:
      description: Name of the Deployment.
      type: str
      sample: chatterbox-tts
    replicas:
      description: How many replicas it is told to have, V(null) where it is not there.
      type: int
      sample: 0
    rivals:
      description: Who else scales it.
      type: list
      elements: str
      sample: ["HorizontalPodAutoscaler chatterbox-tts"]
"""

import copy
from typing import Any

from ansible_collections.kubernetes.core.plugins.module_utils.args_common import AUTH_ARG_SPEC
from ansible_collections.kubernetes.core.plugins.module_utils.k8s.core import AnsibleK8SModule

from ansible_collections.sharedgpu.voice.plugins.module_utils.kube.gate_targets import look
from ansible_collections.sharedgpu.voice.plugins.module_utils.kube.run import answered


def argument_spec() -> dict[str, Any]:
    text = {"type": "str", "required": True}
    tenant = {"name": text, "namespace": text, "target": text}
    return {
        **copy.deepcopy(AUTH_ARG_SPEC),
        "tenants": {"type": "list", "elements": "dict", "required": True, "options": tenant},
        "name": {"type": "str", "default": "offpeak-gate"},
        "namespace": {"type": "str", "default": "offpeak-gate"},
    }


def main() -> None:
    module = AnsibleK8SModule(argument_spec=argument_spec(), supports_check_mode=True)
    found, wrong = answered(module, lambda cluster: look(cluster, module.params, check_mode=module.check_mode))
    if wrong:
        module.fail_json(msg="\n".join(wrong), **found)
    module.exit_json(changed=False, **found)


if __name__ == "__main__":
    main()
