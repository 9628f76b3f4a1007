# Copyright: (c) 2026, the sharedgpu.voice authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The module's way from its options to its result; the only place where an error becomes a failure."""

from __future__ import annotations

from typing import Any, Callable, Optional, TypeVar

from .applier import Applier, Step
from .asked import checked
from .cluster import Cluster, no_answer
from .objects import Object, title
from .refusal import Refused, RefusedAll, Unreachable
from .remover import Remover
from .text import as_text
from .waiting import overruled, wait

try:
    from ansible_collections.kubernetes.core.plugins.module_utils.k8s.client import get_api_client
    from ansible_collections.kubernetes.core.plugins.module_utils.k8s.exceptions import CoreException
    from kubernetes.client.exceptions import ApiException
    from urllib3.exceptions import HTTPError
except ImportError:  # AnsibleK8SModule has reported it before anything here runs
    pass

T = TypeVar("T")
FIELD_MANAGER = "sharedgpu.voice"
HOW_TO_REACH = "check that KUBECONFIG, or the K8S_AUTH_* variables, name a cluster that runs, and a user that it knows"


def run_module(module: Any) -> None:
    """Apply and remove what the options say, and end the module."""
    module.exit_json(**answered(module, lambda cluster: _run(module, cluster)))


def answered(module: Any, ask: Callable[[Cluster], T]) -> T:
    """Return what ``ask`` brings of the cluster of the module's options; what keeps it from that ends the module."""
    cluster = None
    try:
        cluster = Cluster(get_api_client(module), FIELD_MANAGER)
        return ask(cluster)
    except (RefusedAll, Refused) as error:
        message = str(error)
    except HTTPError as error:
        message = f"{no_answer(error)}; {HOW_TO_REACH}"
    except (Unreachable, CoreException, ApiException) as error:
        message = f"{error}; {HOW_TO_REACH}"
    module.fail_json(msg=message, changed=cluster is not None and cluster.changed)
    raise AssertionError("fail_json ends the module")


def _run(module: Any, cluster: Cluster) -> dict[str, Any]:
    timeout = module.params["wait_timeout"]
    present, absent = checked(module.params["present"], module.params["absent"])
    applier, remover = Applier(cluster, check_mode=module.check_mode, timeout=timeout), Remover(cluster)
    unwanted = remover.find(absent)
    if module.params["prune"]:
        unwanted += remover.find_stale(module.params["prune"], [*present, *unwanted])
    steps = applier.run(present)
    if not module.check_mode:
        remover.remove(unwanted, timeout)
        wait(cluster, steps, timeout)
    told = overruled(cluster, steps)
    for warning in [*applier.warnings, *remover.warnings, *told]:
        module.warn(warning)
    actions = [{"object": title(step.asked), "action": step.action} for step in steps]
    actions += [{"object": title(live), "action": "remove"} for live in unwanted]
    result = {"actions": actions, "overruled": told, "changed": any(item["action"] != "keep" for item in actions)}
    if module._diff:  # noqa: SLF001 - Ansible tells a module in no other way
        result["diff"] = _differences(steps, unwanted)
    return result


def _differences(steps: list[Step], unwanted: list[Object]) -> list[dict[str, str]]:
    changes: list[tuple[Object, Optional[Object], Optional[Object]]] = [
        (step.asked, step.live, step.after or step.asked) for step in steps if step.action != "keep"
    ]
    changes += [(live, live, None) for live in unwanted]
    return [
        {
            "before_header": f"{title(item)} (live)",
            "after_header": f"{title(item)} (applied)" if after else f"{title(item)} (removed)",
            "before": as_text(before),
            "after": as_text(after),
        }
        for item, before, after in changes
    ]
