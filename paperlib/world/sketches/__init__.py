"""How each object is drawn, out of strokes of the pen."""
