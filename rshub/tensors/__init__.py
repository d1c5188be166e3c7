"""Numbers on disk: checkpoints, adapters, low-rank changes, and writing that is whole or absent. Numpy alone."""
