"""The benchmarks: paired and interleaved runs on this machine, their figures as JSON and as tables."""
