"""Several runs by one recipe: its experts, and mixtures to compare soups with."""
