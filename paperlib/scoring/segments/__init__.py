"""Proposed masks as results, and how good they are: at their best, and along outlines."""
