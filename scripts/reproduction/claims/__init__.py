"""One file for each claim of the paper: what it needs measured, how it is judged, and its picture."""
