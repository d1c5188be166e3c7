"""The ways of mixing experts within one tensor: each is a small function with a name, a source and its laws."""
