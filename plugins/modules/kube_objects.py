# Copyright: (c) 2026, the sharedgpu.voice authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

DOCUMENTATION = r"""
module: kube_objects
short_description: Apply Kubernetes objects as one owner, after a rehearsal
version_added: 1.0.0
author:
  - the sharedgpu.voice authors (@sharedgpu)
description:
  - Applies objects server-side, all of them in one call, as the field manager C(sharedgpu.voice).
    What this owner applied before and leaves out now is removed; what others put there stays.
    What others put there with the same value is owned by both, and stays until both have left it out.
  - Everything is rehearsed first as a dry run on the API server, the pods of a Deployment included.
    If one object is refused, nothing is changed, and the message says which field it is and what to do.
    What a rehearsal does not change, in the object or in what this owner owns of it, is not sent.
  - A Deployment without C(spec.replicas), or with null for it, is created at 0 replicas and never scaled from then on,
    not even when somebody scales it in the same moment. The number is handed to a second field manager,
    C(sharedgpu.voice/replicas), and so to whoever scales.
  - A Job that is there is never sent again, because its template is immutable and admission policies rewrite it.
    Name it by a hash of its settings. One that this owner applied and that has failed is deleted and made anew.
  - With nothing to apply or remove, it fails where no API server answers, and in one sentence.
  - M(kubernetes.core.k8s) serves for single objects. It shows no difference for a list of objects, calls a status
    that a controller writes meanwhile a change, and cannot send characters above U+FFFF in a server-side apply.
options:
  present:
    description:
      - Objects to apply, in this order.
      - A Namespace among them may be new. Those that live in it are rehearsed as soon as it is there,
        and if one of them is refused, the message names the Namespace as applied before.
    type: list
    elements: dict
    default: []
  absent:
    description:
      - Objects to remove, each with C(apiVersion), C(kind), C(metadata.name) and C(metadata.namespace).
      - Waits until each is gone, and the pods of a Deployment with it, also where the Deployment was gone before.
        Its pods are those that its selector finds. Once it is gone, C(spec.selector) of the item tells the selector,
        or the label C(sharedgpu.voice/workload) of C(metadata.labels).
        Pods that have failed or succeeded hold no VRAM and are not waited for.
      - A pod that stays until the time-out is never deleted. The module fails and names it and what ends it.
      - An object that this owner did not apply is left alone, with a warning.
    type: list
    elements: dict
    default: []
  prune:
    description:
      - Removes, as O(absent) does, what this owner applied before and O(present) has no longer.
      - An object with these labels that somebody else made is left alone.
    type: dict
    suboptions:
      labels:
        description: Labels that all of these objects have, and no object of others.
        type: dict
        required: true
      kinds:
        description:
          - Where to look, in all namespaces, in the order of removal.
          - A kind that the cluster does not know has no objects.
        type: list
        elements: dict
        required: true
        suboptions:
          api_version:
            description: Group and version, such as V(batch/v1).
            type: str
            required: true
          kind:
            description: Kind, such as V(CronJob).
            type: str
            required: true
  wait_timeout:
    description: Seconds until all Deployments must be rolled out, Jobs complete, and removed objects gone.
    type: int
    default: 300
extends_documentation_fragment:
  - kubernetes.core.k8s_auth_options
requirements:
  - kubernetes >= 24.2.0
  - PyYAML >= 3.11
attributes:
  check_mode:
    support: full
    description:
      - What cannot be rehearsed because its namespace is still to come counts as created.
      - It warns about a namespace or a priority class that a run without it would miss. It does not wait for anything.
  diff_mode:
    support: full
    description: One difference for each object that changes, without its status and the server's bookkeeping.
"""

EXAMPLES = r"""
- name: Apply a Deployment that others scale, and drop a policy that is no longer wanted
  sharedgpu.voice.kube_objects:
    present:
      - apiVersion: apps/v1
        kind: Deployment
        metadata: {name: chatterbox-tts, namespace: tts}
        spec:
          selector: {matchLabels: {app: chatterbox-tts}}
          template:
            metadata: {labels: {app: chatterbox-tts}}
            spec:
              containers: [{name: server, image: "registry.example/chatterbox:1"}]
    absent:
      - apiVersion: networking.k8s.io/v1
        kind: NetworkPolicy
        metadata: {name: chatterbox-tts, namespace: tts}

- name: Apply what is wanted now, and remove what a former version of it left
  sharedgpu.voice.kube_objects:
    present: "{{ wanted }}"
    prune:
      labels: {app.kubernetes.io/instance: my-app}
      kinds:
        - {api_version: batch/v1, kind: CronJob}
        - {api_version: v1, kind: ConfigMap}
"""

RETURN = r"""
actions:
  description: What was done to each object, or would be done in check mode.
  returned: success
  type: list
  elements: dict
  contains:
    object:
      description: Kind, namespace and name.
      type: str
      returned: always
      sample: Deployment tts/chatterbox-tts
    action:
      description: V(create), V(change), V(keep) or V(remove).
      type: str
      returned: always
      sample: keep
overruled:
  description:
    - Where admission gave a Deployment or its pods another priority class than was asked for,
      a sentence with both values.
    - Pods of a former template do not count. Before the first pod it is that of the rehearsal.
    - They are warnings as well.
  returned: success
  type: list
  elements: str
  sample: []
"""

import copy
from typing import Any

from ansible_collections.kubernetes.core.plugins.module_utils.args_common import AUTH_ARG_SPEC
from ansible_collections.kubernetes.core.plugins.module_utils.k8s.core import AnsibleK8SModule

from ansible_collections.sharedgpu.voice.plugins.module_utils.kube.run import run_module


def argument_spec() -> dict[str, Any]:
    text = {"type": "str", "required": True}
    kinds = {"type": "list", "elements": "dict", "required": True, "options": {"api_version": text, "kind": text}}
    return {
        **copy.deepcopy(AUTH_ARG_SPEC),
        "present": {"type": "list", "elements": "dict", "default": []},
        "absent": {"type": "list", "elements": "dict", "default": []},
        "prune": {"type": "dict", "options": {"labels": {"type": "dict", "required": True}, "kinds": kinds}},
        "wait_timeout": {"type": "int", "default": 300},
    }


def main() -> None:
    run_module(AnsibleK8SModule(argument_spec=argument_spec(), supports_check_mode=True))


if __name__ == "__main__":
    main()
