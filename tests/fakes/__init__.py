"""Stand-ins for what a test cannot have: a GPU, model weights, the internet. Each behaves as upstream was seen to."""
