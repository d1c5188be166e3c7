"""Soups: from a preference and a base to experts that may be mixed, to a lock, to a new model on disk or in memory."""
