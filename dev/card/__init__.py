"""A simulated card: an exporter of GPU metrics for a machine without a GPU.

It follows the running pods of an API server, gives each the VRAM that a scenario file says, and speaks the formats
of three exporters, honestly or faulty on demand. `scenario` to `simulate` are pure (the clock is passed in);
`machine`, `watcher`, `control` and `server` are the shell around them. `python -m dev.card --help` starts it.
"""
