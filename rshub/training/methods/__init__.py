"""What happens inside a trainer: one readable file for each method, over the session that all of them share."""
