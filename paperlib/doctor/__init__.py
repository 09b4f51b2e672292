"""Why does my detector not learn? Examinations of data, anchors, proposals and model before training."""
