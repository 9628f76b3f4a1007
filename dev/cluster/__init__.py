"""A throw-away Kubernetes on loopback with a shared GPU that only exists in numbers.

``python -m dev.cluster up`` starts real etcd, kube-apiserver, kube-controller-manager, kube-scheduler
and Prometheus processes, kwok in the place of the kubelets, and the simulated card.
"""
