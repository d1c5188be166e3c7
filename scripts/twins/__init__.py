"""Offline tiny twins of the paper's five text tasks: the same code path, worlds and models of seconds."""
