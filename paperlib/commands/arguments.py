"""The arguments of each command of the command line; what a command does is in the modules beside."""
import argparse
from collections.abc import Callable

from paperlib.commands import looking as look
from paperlib.commands import measuring as run
from paperlib.commands import numbers
from paperlib.commands import training as learn
from paperlib.commands import weights as keep
from paperlib.papers.names import PAPERS

DESCRIPTION = "The command line: `python -m paperlib COMMAND`, also installed as `paperlib`."
NOTEBOOKS = {  # what `paperlib notebooks COMMAND` does
    "new": "begin one notebook from the skeleton; give its name, such as 15_my_paper",
    "run": "execute into build/notebooks; the stored notebooks stay as they are",
    "check": "run under nbval, then once more with the exercises solved",
    "store": "execute, and keep outputs, minutes and banners where nothing is wrong",
    "sync": "make each ipynb from its text twin; outputs of unchanged cells stay",
    "lint": "print every fault of the stored notebooks",
    "readme": "fill the README's list of notebooks, counts of verdicts and table of speed",
    "picture": "draw the pictures of the README (data/readme.png) and of notebook 00 and the site",
    "site": "render to HTML with a front page",
    "export": "student, instructor, slides, grader, otter or questions, then names: into build/export",
    "lab": "copy into work/, to open in JupyterLab; copies that exist stay as they are",
}


def arg(*names: str, **options) -> tuple[tuple[str, ...], dict]:
    """One argument, as `add_argument` takes it."""
    return names, options


DEBUG = arg("--debug", action="store_true", help="print the traceback of an error")
DEVICE = arg("--device", help="cpu, cuda[:N] or mps; default: the best there is")
AS_JSON = arg("--json", action="store_true", help="print JSON")
SPLIT = arg("--split", help="which part of the data set, e.g. train, val, test")
PLAN = arg("--budget", help="smoke, mini, scale, gpu or paper; default: PAPERLIB_BUDGET or mini")
SEED = arg("--seed", type=int, default=0)
CHANGES = arg("--set", action="append", default=[], metavar="KEY=VALUE",
              help="one field of the configuration, e.g. loss.gamma=0")
RECIPE = (
    PLAN,
    CHANGES,
    arg("--steps", type=int),
    arg("--batch", type=int),
    arg("--lr", type=float),
    arg("--preset", help="tiny, resnet50, ..."),
    arg("--images", type=int, help="only the first N images"),
    arg("--size", type=int, nargs="+", help="shorter [and longest] side, px"),
    DEVICE,
)
SYSTEM = arg("system", help="e.g. retinanet")
PAGE = (
    arg("--report", metavar="OUT.html", help="write a page: numbers, mistakes, curves, pictures"),
    arg("--compare", metavar="OTHER.json", help="another results file, to be compared with in the page"),
    arg("--draws", type=int, default=200, help="draws of the images for the page's intervals"),
)
RATE = arg("--lr", type=float, help="default: the budget's")


def parser() -> argparse.ArgumentParser:
    """The parser of the whole command line; `run` of what it parses is the command's function."""
    whole = argparse.ArgumentParser("paperlib", description=DESCRIPTION)
    parsers = whole.add_subparsers(required=True, metavar="COMMAND")

    def command(function, *arguments, **looks):
        name, first_line = function.__name__.rstrip("_"), function.__doc__.splitlines()[0]
        sub = parsers.add_parser(name, help=first_line, description=function.__doc__, **looks)
        sub.set_defaults(run=numbers.checked(function))
        for names, options in (*arguments, DEBUG):
            sub.add_argument(*names, **options)

    for add in GROUPS:
        add(command)
    return whole


def data_commands(command: Callable) -> None:
    """Of data sets."""
    command(run.info, DEVICE)
    command(
        run.data,
        arg("action", choices=["build", "download", "check", "statistics", "convert", "split"]),
        arg("name", help="name or path of a data set"),
        SPLIT,
        arg("--fix", metavar="OUT", help="check: write a copy without the faults into this new folder"),
        arg("--to", choices=["coco", "voc", "yolo"], help="convert: the format; split: default, the set's"),
        arg("--out", help="convert, split: the new folder"),
        arg("--shares", nargs="+", metavar="PART=SHARE", help="such as train=0.8 val=0.2, of every class"),
        arg("--seed", type=int, default=0, help="of --shares"),
        arg("--look-alikes", choices=["together", "apart"], default="together", help="of split"),
    )
    command(
        learn.doctor,
        *(arg("data"), SPLIT),
        arg("--system", default="retinanet"),
        arg("--weights", help="examine the set for these: their configuration, size and classes"),
        *RECIPE,
    )


def training_commands(command: Callable) -> None:
    """Of training and testing systems."""
    command(
        learn.train,
        SYSTEM,
        arg("--data", help="name or path; default: the budget's"),
        SPLIT,
        arg("--test", help="split to score on"),
        arg("--test-images", type=int, help="score on the first N images of it"),
        arg("--out", default="runs/train", help="folder for weights and checkpoint"),
        arg("--half", action="store_true", help="store 16-bit weights"),
        arg("--start", help="coco, imagenet, mininet, random, or a file; default: the best on disk"),
        arg("--accumulate", type=int, metavar="N", help="a batch in N parts, for a small memory"),
        arg("--compiled", action="store_true", help="compile trunk and pyramid: for long runs on a GPU"),
        arg("--checks", type=int, metavar="N", help="score N times on the way and keep the best weights"),
        arg("--patience", type=int, metavar="N", help="end after N checks without a better score"),
        arg("--tensorboard", action="store_true", help="also write the numbers for TensorBoard"),
        SEED, AS_JSON, *RECIPE,
    )
    command(
        learn.eval_,
        SYSTEM,
        arg("--weights", required=True),
        arg("--data", help="name or path; default: what the weights were scored on"),
        SPLIT,
        arg("--test-images", type=int, help="score on the first N images of it"),
        arg("--size", type=int, nargs="+", help="shorter [and longest] side, px; default: as trained"),
        DEVICE,
        AS_JSON,
        *PAGE,
        arg("--results", metavar="OUT.json", help="also write the detections as COCO's results file"),
    )
    command(keep.pretrain, arg("trunk"), PLAN, RATE, SEED, DEVICE)
    sides = arg("--size", type=int, nargs="+", help="height [width], multiples of 32; default: as trained")
    weights = arg("weights", help="a RetinaNet or a Faster R-CNN that `paperlib train` wrote")
    command(keep.export, weights, arg("out", metavar="OUT", help="a file that ends in .onnx or .pt2"), sides)


def looking_commands(command: Callable) -> None:
    """Of looking at detections."""
    command(
        look.detect,
        arg("weights", help="weights that `paperlib train` wrote, or torchvision:fasterrcnn_resnet50_fpn"),
        arg("paths", nargs="+", metavar="PATH", help="pictures, folders of pictures, or patterns"),
        arg("--threshold", type=float, default=0.5, help="draw what has this score or more; default: 0.5"),
        arg("--out", default="runs/detect", help="folder for the drawn pictures and the results"),
        arg("--size", type=int, nargs="+", help="shorter [and longest] side, px; default: as trained"),
        DEVICE,
    )
    command(
        look.score,
        arg("truth", metavar="GT.json"),
        arg("results", metavar="RESULTS.json"),
        arg("--type", choices=["bbox", "segm"], default="bbox"),
        AS_JSON,
        *PAGE,
        arg("--images", help="folder of the pictures, where they do not lie beside GT.json"),
    )


def paper_commands(command: Callable) -> None:
    """Of the papers' tables and claims."""
    command(
        run.table,
        arg("id", help="e.g. focal_loss/1b, or all"),
        PLAN,
        arg("--rows", nargs="+", metavar="LABEL", help="only these rows, after the table's id"),
        arg("--seeds", type=int),
        arg("--jobs", type=int, default=1),
        arg("--show", action="store_true", help="only print"),
        DEVICE,
    )
    command(run.published, AS_JSON)
    command(
        run.claims,
        arg("what", nargs="?", choices=["check"], help="check: examine runs of yours, a file of records"),
        arg("file", nargs="?", metavar="RECORDS.jsonl"),
        AS_JSON,
        PLAN,
        arg("--paper", choices=PAPERS),
        arg("--verdict", help="such as 'holds, larger', contradicted or 'not run'"),
    )
    command(run.scorecard, PLAN, arg("--out", default="build/scorecard.html"))


def measuring_commands(command: Callable) -> None:
    """Of speed and of machines."""
    command(
        run.bench,
        arg("what", nargs="?", choices=["peers", "claims", "world"], default="peers"),
        arg("--ids", help="claims, probes or rows, comma-separated; default: all that there are"),
        arg("--repeats", type=int, default=9),
        arg("--full", action="store_true", help="peers: also score 5,000 images"),
        arg("--shrink", type=int, help="peers: divide the sides of images; default: 2 on a CPU, 1 on a GPU"),
        arg("--picture", help="peers: draw the records to this file, e.g. data/bench.png"),
        DEVICE,
    )
    command(run.gpu, arg("part", nargs="?", choices=["rows", "bench"], help="only this part; default: all"))


def course_commands(command: Callable) -> None:
    """Of the notebooks."""
    command(
        run.notebooks,
        arg("command", choices=NOTEBOOKS, metavar="COMMAND", help="one of those below"),
        arg("names", nargs="*", help="names or numbers of notebooks; default: all"),
        arg("--jobs", type=int, default=2, help="notebooks at a time"),
        arg("--budget", default="mini", help="smoke, mini, scale, gpu or paper"),
        arg("--set", action="append", default=[], metavar="NAME=VALUE", help="run: a notebook's parameter"),
        arg("--out", help="folder of the results; default: one in build/"),
        arg("--folder", help="where the notebooks are; default: notebooks/ of this checkout"),
        arg("--record", action="store_true", help="run: also record the minutes, as on a GPU"),
        formatter_class=argparse.RawDescriptionHelpFormatter,
        epilog="commands:\n" + "\n".join(f"  {name:8} {text}" for name, text in NOTEBOOKS.items()),
    )


GROUPS = (data_commands, training_commands, looking_commands, paper_commands, measuring_commands,
          course_commands)
