"""Namespaces in which a real kubelet and a real containerd run without touching the machine around them.

``python -m dev.node run COMMAND…`` runs a command in network, mount, process, name and IPC namespaces of its own, as
a container engine does: the bridge, the iptables rules, the mounts and every process of a node end with them. What is
left then, a folder and a cgroup, is removed after success, failure and interruption; what a killed run had to leave,
the next one removes.
"""
