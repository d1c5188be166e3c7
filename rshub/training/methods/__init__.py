"""What happens inside a trainer: one readable file for each method, over the bench that all of them work at."""
