"""From a scene's plan to pixels: what lies behind, the things, their surfaces, and what only looks like a thing."""
