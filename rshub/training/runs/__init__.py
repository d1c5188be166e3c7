"""One run while it is under way: its folder, checkpoints and log, the processes that share it, and an early end."""
