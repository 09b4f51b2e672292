"""The command line: `python -m paperlib COMMAND`, also installed as `paperlib`."""

import argparse
import os
import sys
import warnings

from paperlib import commands as run
from paperlib import train_commands as learn
from paperlib.papers.names import PAPERS

USUAL = warnings.formatwarning


def main(argv: list[str] | None = None) -> int:
    """Run one command. Bad input ends with one line on stderr and exit status 2; an interrupt with 130."""
    _speak_plainly()
    argv = sys.argv[1:] if argv is None else argv
    if argv[:1] == ["notebooks"]:
        from paperlib.course import cli  # late: Jupyter's packages take a second

        return cli.main(argv[1:])
    args = _parser().parse_args(argv)
    try:
        return args.run(args) or 0
    except KeyboardInterrupt as stop:  # a command that keeps something says where
        print("; ".join(["interrupted", *map(str, stop.args)]), file=sys.stderr)
        return 130
    except BrokenPipeError:
        return 0
    except (ValueError, KeyError, OSError, FloatingPointError) as error:
        message = error.args[0] if isinstance(error, KeyError) and error.args else error
        print(f"paperlib: {message}", file=sys.stderr)
        return 2


def _speak_plainly() -> None:
    """Our own warnings in one line; what a terminal or file cannot spell is escaped: names come in any script."""
    warnings.formatwarning = _note
    for stream in (sys.stdout, sys.stderr):
        if hasattr(stream, "reconfigure"):
            stream.reconfigure(errors="backslashreplace")


def _note(message, category, filename, *rest, **more) -> str:
    ours = filename.startswith(os.path.dirname(__file__))
    return f"paperlib: note: {message}\n" if ours else USUAL(message, category, filename, *rest, **more)


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser("paperlib", description=__doc__)
    parsers = parser.add_subparsers(required=True, metavar="COMMAND")

    def command(function, *arguments):
        sub = parsers.add_parser(
            function.__name__.rstrip("_"), help=function.__doc__.splitlines()[0], description=function.__doc__
        )
        sub.set_defaults(run=function)
        for names, options in arguments:
            sub.add_argument(*names, **options)

    def arg(*names, **options):
        return names, options

    device = arg("--device", help="cpu, cuda[:N] or mps; default: the best there is")
    as_json = arg("--json", action="store_true", help="print JSON")
    split = arg("--split", help="which part of the data set, e.g. train, val, test")
    plan = arg("--budget", help="smoke, mini, gpu or paper; default: PAPERLIB_BUDGET or mini")
    seed = arg("--seed", type=int, default=0)
    changes = arg(
        "--set",
        action="append",
        default=[],
        metavar="KEY=VALUE",
        help="one field of the configuration, e.g. loss.gamma=0",
    )
    recipe = (
        plan,
        changes,
        arg("--steps", type=int),
        arg("--batch", type=int),
        arg("--lr", type=float),
        arg("--preset", help="tiny, resnet50, ..."),
        arg("--images", type=int, help="train on the first N images"),
        arg("--size", type=int, nargs="+", help="shorter [and longest] side, px"),
        device,
    )
    system = arg("system", help="e.g. retinanet")

    command(run.info, device)
    command(
        run.data,
        arg("action", choices=["build", "download", "check", "statistics"]),
        arg("name", help="name or path of a data set"),
        split,
    )
    command(
        learn.train,
        system,
        arg("--data", help="name or path; default: the budget's"),
        split,
        arg("--test", help="split to score on"),
        arg("--test-images", type=int, help="score on the first N images of it"),
        arg("--out", default="runs/train", help="folder for weights and checkpoint"),
        arg("--half", action="store_true", help="store 16-bit weights"),
        seed,
        as_json,
        *recipe,
    )
    command(
        learn.eval_,
        system,
        arg("--weights", required=True),
        arg("--data", help="name or path; default: what the weights were scored on"),
        split,
        arg("--test-images", type=int, help="score on the first N images of it"),
        arg("--size", type=int, nargs="+", help="shorter [and longest] side, px; default: as the weights were trained"),
        device,
        as_json,
    )
    command(
        run.score,
        arg("truth", metavar="GT.json"),
        arg("results", metavar="RESULTS.json"),
        arg("--type", choices=["bbox", "segm"], default="bbox"),
        as_json,
    )
    command(
        run.table,
        arg("id", help="e.g. focal_loss/1b, or all"),
        plan,
        arg("--rows", help="labels, comma-separated"),
        arg("--seeds", type=int),
        arg("--jobs", type=int, default=1),
        arg("--show", action="store_true", help="only print"),
        device,
    )
    command(run.published, as_json)
    command(
        run.claims,
        as_json,
        plan,
        arg("--paper", choices=PAPERS),
        arg("--verdict", help="holds, contradicted, unresolved, stale, not run or external"),
    )
    command(run.scorecard, plan, arg("--out", default="build/scorecard.html"))
    command(
        run.bench,
        arg("what", nargs="?", choices=["peers", "claims", "world"], default="peers"),
        arg("--ids", help="claims, probes or rows, comma-separated; default: all that there are"),
        arg("--repeats", type=int, default=9),
        arg("--full", action="store_true", help="peers: also 5,000 images to score, and training as it was before"),
        arg("--shrink", type=int, help="peers: divide the sides of images; default: 2 on a CPU, 1 on a GPU"),
        arg("--picture", help="peers: draw the records to this file, e.g. data/bench.png"),
        device,
    )
    command(
        learn.doctor,
        arg("data"),
        split,
        arg("--system", default="retinanet"),
        arg("--weights", help="examine the set for these: their configuration, size and classes"),
        *recipe,
    )
    parsers.add_parser("notebooks", help="Run, test, store and publish the notebooks.")
    command(learn.pretrain, arg("trunk"), plan, arg("--lr", type=float, help="default: the budget's"), seed, device)
    return parser


if __name__ == "__main__":
    sys.exit(main())
