"""Detection sets in the formats that people have: reading, converting, splitting and mending them."""
