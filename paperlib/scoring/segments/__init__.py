"""How good proposed masks are: at their best, whatever their scores, and along outlines."""
