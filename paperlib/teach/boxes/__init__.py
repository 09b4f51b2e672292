"""Boxes on a picture that are moved by hand, and what is said of where they are."""
