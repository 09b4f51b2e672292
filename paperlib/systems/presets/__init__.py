"""Configurations by name: small ones for the drawn sets, and the papers' own."""
