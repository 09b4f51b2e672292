"""From detections to numbers: COCO's metrics, VOC's AP, recall of proposals, and kinds of error."""
