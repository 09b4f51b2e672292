"""The pieces that every detector is wired from: boxes, anchors, matching, losses, trunks, pyramids, heads."""
