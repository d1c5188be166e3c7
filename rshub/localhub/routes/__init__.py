"""The hub's HTTP routes, one file per area; each has a ROUTES list that `app.py` gathers. No state, no SQL, no git."""
