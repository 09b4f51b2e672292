"""The checks that records of annotation files pass before anything is done with them."""
