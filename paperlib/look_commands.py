"""What the commands that look at detections do; `__main__.py` holds their arguments.

Every import of a room is inside the command that needs it: `paperlib --help` must not wait for torch.
"""

import sys
from pathlib import Path


def detect(args) -> int:
    """Run a detector on pictures: draw what it finds, and write it as COCO results."""
    from paperlib import run_files
    from paperlib.device import pick_device
    from paperlib.report.detecting import detect_files, load_detector, summary, write_detections
    from paperlib.report.picture_set import picture_files

    _check_share("--threshold", args.threshold)
    out = run_files.writable(args.out, "results.json")
    files = picture_files(args.paths, except_in=out)
    system, size = load_detector(args.weights), tuple(args.size) if args.size else None
    detected = detect_files(system, files, pick_device(args.device), size)
    for line in detected.unreadable:
        print(f"note: left out: {line}", file=sys.stderr)
    write_detections(detected, Path(out), args.threshold)
    print(summary(detected, args.threshold))
    print(f"look at {out / 'contact_sheet.jpg'}; all of it, at every score, is in {out / 'results.json'}")
    return int(bool(detected.unreadable))


def _check_share(name: str, value: float) -> None:
    """Errors: ValueError for a value outside 0..1."""
    if not 0 <= value <= 1:
        raise ValueError(f"{name} is {value:g}; expected a score from 0 to 1")
