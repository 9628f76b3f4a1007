"""The deployed gate as a process on this machine: the simulated node of the local cluster runs no programs."""
