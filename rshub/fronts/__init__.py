"""What a set of measured points is worth: dominance, hypervolume, connectivity, and one picture of it."""
