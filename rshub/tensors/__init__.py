"""Numbers on disk: checkpoints, the changes of a tensor, and writing that is whole or absent. Numpy alone."""
