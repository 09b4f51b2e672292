"""How each claim of the papers is judged: computed, read off a curve, timed, or compared row by row."""
