"""The demonstrations: the main job on the local cluster, and its refusal."""
