"""What models are asked when they are trained or measured, and what people wrote for it."""
