"""The forms that public data sets have, each read as prompts by a file of its own."""
