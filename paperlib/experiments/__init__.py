"""Configurations, training, evaluation, and the running and judging of published tables."""
