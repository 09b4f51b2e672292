"""Where the files of a detection set lie in its folder: the layouts that people and their tools make."""
