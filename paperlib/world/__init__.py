"""The drawn world: scenes, objects and captions made from a seed, and the three sets drawn from it."""
