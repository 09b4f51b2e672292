"""Training: recipes, the loop, stages, what follows it, checkpoints and weights."""
