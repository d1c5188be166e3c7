"""What people want and what is known about rewards: preferences, scores, mappings, policies. Pure values."""
