"""The code behind the claims by id, from every paper's modules: computed values, curves, timings."""
from paperlib.claims.coco import computed as coco_computed
from paperlib.claims.coco import curves as coco_curves
from paperlib.claims.fast_rcnn import computed as fast_rcnn_computed
from paperlib.claims.fast_rcnn import curves as fast_rcnn_curves
from paperlib.claims.fast_rcnn import timed as fast_rcnn_timed
from paperlib.claims.faster_rcnn import computed as faster_rcnn_computed
from paperlib.claims.faster_rcnn import curves as faster_rcnn_curves
from paperlib.claims.faster_rcnn import timed as faster_rcnn_timed
from paperlib.claims.focal_loss import computed as focal_loss_computed
from paperlib.claims.focal_loss import computed_retinanet
from paperlib.claims.focal_loss import curves as focal_loss_curves
from paperlib.claims.focal_loss import timed as focal_loss_timed
from paperlib.claims.fpn import computed as fpn_computed
from paperlib.claims.fpn import timed as fpn_timed
from paperlib.claims.rcnn import computed as rcnn_computed
from paperlib.claims.rcnn import curves as rcnn_curves
from paperlib.claims.rcnn import timed as rcnn_timed
from paperlib.claims.sharpmask import computed as sharpmask_computed
from paperlib.claims.sharpmask import curves as sharpmask_curves
from paperlib.claims.sharpmask import timed as sharpmask_timed

# a call gives (computed value, whether it agrees with the paper's, formula)
COMPUTED = (rcnn_computed.FACTS | fast_rcnn_computed.FACTS | faster_rcnn_computed.FACTS | coco_computed.FACTS
            | sharpmask_computed.FACTS | fpn_computed.FACTS | focal_loss_computed.FACTS
            | computed_retinanet.FACTS)
# a call with (claim, what was trained) gives an Outcome, or None
CURVES = (rcnn_curves.CURVES | fast_rcnn_curves.CURVES | faster_rcnn_curves.CURVES | coco_curves.CURVES
          | sharpmask_curves.CURVES | focal_loss_curves.CURVES)
# a call with (device, shrink) gives a Race
TIMED = (rcnn_timed.TIMED | fast_rcnn_timed.TIMED | faster_rcnn_timed.TIMED | sharpmask_timed.TIMED
         | fpn_timed.TIMED
         | focal_loss_timed.TIMED)
# what a race divides where it is shrunk: sides of images by `shrink`, numbers by its square
REDUCED = (rcnn_timed.REDUCED | fast_rcnn_timed.REDUCED | faster_rcnn_timed.REDUCED | sharpmask_timed.REDUCED
           | fpn_timed.REDUCED | focal_loss_timed.REDUCED)
