"""From a plan to pixels: what lies behind, the things, their surfaces, and what only looks like one."""
