"""Speed: ways of doing one thing timed in turn, and our parts beside torchvision's and pycocotools'."""
