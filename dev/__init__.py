"""What developers run: the local cluster, the simulated card, checks and benchmarks."""
