"""What is timed for the claims of Faster R-CNN on time: `TIMED[id](device, shrink)`.

Sides of images are divided by `shrink`, regions by its square. One part's seconds stand for many of a kind (crops,
windows) where running all would show nothing more.
"""
from functools import partial

from paperlib.bench.timing import Race, fewer, over
from paperlib.claims.fast_rcnn.timed import SHORT
from paperlib.claims.timed_nets import FastRCNN, photo, regions


def fewer_proposals(device, shrink):
    net, image = FastRCNN("VGG16", device), photo(SHORT / shrink, device)
    features = net.convs(image)
    parts = {str(n): partial(net.classify, features, regions(fewer(n, shrink), image)) for n in (2000, 300)}
    return Race(parts, over("2000", "300"), "VGG16; pooling and the two layers.")


def rpn_share(device, shrink):
    net, image = FastRCNN("VGG16", device), photo(SHORT / shrink, device)
    rois, features = regions(fewer(300, shrink), image), net.convs(image)
    parts = {"convolutions": lambda: net.convs(image), "rpn": lambda: net.propose(features),
             "regions": lambda: net.classify(features, rois)}
    return Race(parts, lambda s: 100 * s["rpn"] / sum(s.values()), "VGG16, 300 proposals; the RPN's share in %.")


def zf_against_vgg(device, shrink):
    image = photo(SHORT / shrink, device)
    rois = regions(fewer(300, shrink), image)
    parts = {name: partial(FastRCNN(name, device).faster, image, rois) for name in ("VGG16", "ZF")}
    return Race(parts, over("VGG16", "ZF"), "300 proposals.")


def one_stage(device, shrink):
    net, image = FastRCNN("ZF", device), photo(SHORT / shrink, device)
    rois, features = regions(fewer(300, shrink), image), net.convs(image)
    windows, chunk = fewer(20_000, shrink), regions(fewer(1000, shrink), image)
    parts = {"two stages": lambda: net.faster(image, rois), "convolutions": lambda: net.convs(image),
             "windows": lambda: net.classify(features, chunk)}
    return Race(parts, lambda s: (s["convolutions"] + windows / len(chunk) * s["windows"]) / s["two stages"],
                "ZF; 20000 windows, timed on 1000, against 300 proposals.")


TIMED = {"faster-rpn-cheap": rpn_share, "faster-region-wise-cheap": fewer_proposals, "faster-zf-17fps": zf_against_vgg,
         "faster-one-stage-slower": one_stage}
REDUCED = dict.fromkeys(TIMED, ("sides", "regions"))
