"""Choosing coefficients for a preference, with as few evaluations as a budget allows."""
