"""What is looked at while a run trains: scores on the way, the best weights, curves, a board of others."""
