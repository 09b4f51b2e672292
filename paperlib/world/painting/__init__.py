"""From a plan to pixels: what lies behind, the things, and the air and lens before them."""
