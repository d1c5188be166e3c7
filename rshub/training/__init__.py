"""From a recipe to an expert (``train``), or to all of its experts (``train_all``).

``train`` reads a recipe, finds where to start, hands a lesson to a method (``methods/``), keeps what is under way in a
run's folder (``runs/``), and produces, sums up and hands over the expert. ``train_all`` plans several runs by one
recipe and keeps them apart (``series/``).
"""
