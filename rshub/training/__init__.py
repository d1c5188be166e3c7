"""From a recipe to an expert: one readable file for each method over the field's own trainers."""
