"""The scorecard: one page with every claim, every table and its verdict."""
