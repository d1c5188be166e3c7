"""The tiny restaurant world and the story told on it: small, real, and offline."""
