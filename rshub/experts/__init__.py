"""Experts: what one says of itself, how it is published and found, and whether it may be mixed with others."""
