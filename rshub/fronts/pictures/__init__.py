"""Pictures of what was measured, in one house style; matplotlib is imported when one is drawn."""
