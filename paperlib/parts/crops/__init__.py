"""Regions cut out of images: how they become inputs of one size, and which of them train a network."""
