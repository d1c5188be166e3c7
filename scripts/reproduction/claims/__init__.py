"""A file for each figure, or for figures of one kind: what it needs measured, its claims and how they are judged."""
