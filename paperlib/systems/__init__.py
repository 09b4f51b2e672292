"""Whole detectors; each file wires parts and states its targets, losses and test-time steps."""
