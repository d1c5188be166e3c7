"""A planned soup on its way to the disk: weights, configs and the files beside them."""
