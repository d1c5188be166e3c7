"""A reward is a string that becomes a function: samples in, one score for each out. Torch-free unless it is a model."""
