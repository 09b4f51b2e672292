"""What the seven papers print: their tables and claims, typed once and validated when read."""
