"""How time and memory grow with images, anchors, classes and proposals; all that `paperlib bench` times."""
from functools import partial

from paperlib.bench.against_pycocotools import IMAGES, scorer
from paperlib.bench.against_torchvision import PEERS, batch, step
from paperlib.bench.drawing import world, world_on_all_cores
from paperlib.bench.timing import PRODUCT, Race, counted, over, product
from paperlib.config import override
from paperlib.device import half, has_bf16
from paperlib.systems.faster_rcnn import FasterRCNN
from paperlib.systems.presets.faster_rcnn import tiny as faster_tiny
from paperlib.systems.presets.retinanet import tiny
from paperlib.systems.retinanet import RetinaNet
from paperlib.training.recipes import budget, system_config


def train_step(device, cfg, side: int, number: int = 4):
    """One training step of a RetinaNet on a made batch."""
    net, (images, targets) = RetinaNet(cfg).to(device), batch(device, side, side, number)
    return step(net, lambda: net.losses(images, targets))


def growth(what: str, device, shrink) -> Race:
    """The tiny systems with more and more of one thing, all else as the tables train them."""
    side = 256 // shrink
    if what == "images":
        parts = {str(n): train_step(device, tiny(36), side, n) for n in (2, 4, 8, 16)}
        note = f"images of {side} px in a training step of RetinaNet-tiny"
    elif what == "anchors":
        cfgs = {s: override(tiny(36), {"anchors.scales": tuple(2 ** (i / s) for i in range(s))}) for s in (1, 2, 4, 8)}
        parts = {str(3 * s): train_step(device, cfg, side) for s, cfg in cfgs.items()}
        note = "anchors a position in a training step of RetinaNet-tiny, 4 images"
    elif what == "classes":
        parts = {str(k): train_step(device, tiny(k), side) for k in (20, 80, 320, 1280)}
        note = "classes in a training step of RetinaNet-tiny, 4 images"
    else:
        images, parts = batch(device, side, side)[0], {}
        for n in (50, 100, 200, 400):
            cfg = override(faster_tiny(36), {"rpn.test.pre_nms": 1000, "rpn.test.keep": n})
            parts[str(n)] = partial(FasterRCNN(cfg).to(device).eval().detect, images)
        note = "proposals an image in inference of Faster R-CNN tiny, 2 images"
    first, *_, last = parts
    return Race(parts, over(last, first), f"From {first} to {last} {note}.", memory=True)


def training(device, shrink) -> Race:
    """Training steps of the tables' RetinaNet, with the products that its training uses on this processor."""
    recipe = budget("scale").recipe("retinanet")
    cfg, side = system_config("retinanet", recipe, 36), 256 // shrink
    net, (images, targets) = RetinaNet(cfg).to(device), batch(device, side, side, recipe.batch)

    def losses():
        with half(device):
            return net.losses(images, net.observe(images, targets))

    run, (product_part, product_ops) = step(net, losses), product()
    kind = "bfloat16" if has_bf16(device.type) else "float32"
    return Race({"images": run, PRODUCT: product_part}, lambda s: recipe.batch / s["images"],
                f"Images of {side} px a core-second in training steps of {recipe.batch}, {kind} products.",
                giga_ops={"images": counted(run), PRODUCT: product_ops})


GROWTH = {"scorer": partial(scorer, 200), "scorer full": partial(scorer, IMAGES), "world": world,
          "world all cores": world_on_all_cores, "training": training,
          "growth images": partial(growth, "images"), "growth anchors": partial(growth, "anchors"),
          "growth classes": partial(growth, "classes"), "growth proposals": partial(growth, "proposals")}
BESIDE_PEERS = PEERS | GROWTH  # what `paperlib bench` times
