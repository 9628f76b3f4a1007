"""What to look at next: commands to copy."""

from __future__ import annotations

NIGHT = """\
The simulated node runs no programs, so the gate that was just deployed runs here as a process: the files of its
ConfigMaps, the arguments of its pod, the token of its account, and no right beyond that account's.
"""

AFTER_SITE = """\
Look at it, in this folder:
  . .cluster/env && export PATH=$PWD/.venv/bin:$PATH ANSIBLE_COLLECTIONS_PATH=$PWD/.collections
  ansible-playbook -i inventories/demo playbooks/site.yml --check --diff     # a second run changes nothing
  curl -s $CARD_URL/control/wake -d '{"workload": "llama-swap"}'             # somebody loads a model …
  ansible-playbook -i inventories/demo playbooks/preflight.yml               # … and the pre-flight sees it
  ansible-playbook -i inventories/demo playbooks/gate_explain.yml            # what the gate would decide now, and why
  python -m dev.gate                                                         # run the deployed gate; Ctrl-C ends it
  ansible-playbook -i inventories/demo playbooks/rollback.yml                # text to speech off the card, and not back
  ansible-playbook -i inventories/demo playbooks/gate_off.yml                # the kill switch
  ansible-playbook -i inventories/demo playbooks/remove.yml                  # all of it gone, verified
Then: `make demo-unsafe` for the refusal, `make cluster-down` to stop the cluster."""

AFTER_REFUSAL = """\
The floor of text to speech was only its own peak: whoever loads a model between the look at the card and the load would
have met it there. The plan is in inventories/demo/group_vars/all/vram_plan.yml; `make demo` takes it as it is."""
