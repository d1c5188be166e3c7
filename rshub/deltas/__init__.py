"""What experts store: adapters and sets of tensors, read into deltas and placed on the tensors of a base."""
