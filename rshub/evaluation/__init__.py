"""Measuring soups: generate on the same prompts with the same random numbers, score every reward on the same texts."""
