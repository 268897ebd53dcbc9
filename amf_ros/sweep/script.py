"""What the scripts in ``benchmarks/`` share: options, errors in one line, and how they end.

args = parse(options(__doc__, strategies=("amf", "uniform"), seeds=10))
rows = run("kinematic", work, jobs, args.out, **how(args))
return finish(args, "kinematic", rows, jobs, {"mismatched": collect(rows)})

if __name__ == "__main__":
    sys.exit(guarded(main))
"""

from __future__ import annotations

import argparse
import json
import signal
import sys
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from types import FrameType
from typing import Any

from amf_ros.core.errors import AmfError, ConfigError, UnknownName
from amf_ros.sweep.jobs import How
from amf_ros.sweep.plots import Panels
from amf_ros.sweep.publish import publish, show_all

OUT = Path("runs/benchmarks")


def options(doc: str | None, strategies: Sequence[str], seeds: int) -> argparse.ArgumentParser:
    """Return the options of every benchmark script; a script adds its own.

    Args:
        doc: of the script.
        strategies: by default.
        seeds: how many, by default.
    """
    parser = argparse.ArgumentParser(
        description=doc, formatter_class=argparse.RawDescriptionHelpFormatter, allow_abbrev=False
    )
    add = parser.add_argument
    add("--strategies", nargs="+", default=list(strategies), metavar="NAME", help="default: %(default)s")
    add("--seeds", type=int, default=seeds, help="how many, from --first-seed (default: %(default)s)")
    add("--first-seed", type=int, default=0, help="default: %(default)s")
    add("--reference", default="uniform", help="strategy to compare with (default: %(default)s)")
    add("--quick", action="store_true", help="a small version that shows that everything runs; no figures")
    add("--json", action="store_true", help="one JSON document on stdout in place of tables")
    add("--out", type=Path, default=OUT, help="results, tables and plots go there (default: %(default)s)")
    add("--workers", type=int, help="processes (default: one per core)")
    add("--ray", default="", metavar="ADDRESS", help="use a running Ray cluster; auto = the one here")
    add("--fresh", action="store_true", help="make again what is there already")
    add("--plot", action=argparse.BooleanOptionalAction, default=True, help="write PNG files into --out")
    return parser


def parse(parser: argparse.ArgumentParser, words: Sequence[str] | None = None) -> argparse.Namespace:
    """Return the options, checked; ``range(first_seed, first_seed + seeds)`` are the seeds.

    Args:
        parser: of :func:`options`.
        words: None = the command line.

    Raises:
        ConfigError: seeds that cannot be.
        UnknownName: the reference is not among the strategies.
    """
    args = parser.parse_args(words)
    if args.seeds < 1 or args.first_seed < 0:
        raise ConfigError(
            f"--seeds is {args.seeds} and --first-seed {args.first_seed}; at least 1, from 0 or later"
        )
    if args.reference not in args.strategies:
        raise UnknownName("reference", args.reference, args.strategies)
    return args


def how(args: argparse.Namespace) -> How:
    """Keyword arguments for :func:`amf_ros.sweep.jobs.run`."""
    return How(workers=args.workers, ray_address=args.ray, progress=True, fresh=args.fresh)


def finish(
    args: argparse.Namespace,
    name: str,
    rows: Sequence[Mapping[str, Any]],
    jobs: Sequence[Mapping[str, Any]],
    panels: Panels,
    *,
    x: str = "demonstrations",
    y: str = "success",
    levels: Mapping[str, float] | None = None,
    extra: Mapping[str, Any] | None = None,
    recorded: Panels | None = None,
) -> int:
    """Write tables and plots into ``args.out`` and show them; the script's exit code.

    Args:
        args: of :func:`parse`.
        name: of the files.
        rows: jobs that are done.
        jobs: all that were asked for.
        panels: setting -> strategy -> curves.
        x: what the abscissa counts.
        y: what the ordinate is.
        levels: setting -> a height to mark in the plot.
        extra: to go into the JSON document too.
        recorded: the curves whose raw rows are written, where those shown are means; None = all shown.

    Returns:
        0, or 1 where a job failed.
    """
    found = publish(
        args.out, name, panels, reference=args.reference, rows=rows, num_jobs=len(jobs), x=x, y=y,
        plot=args.plot, levels=levels, extra=extra, recorded=recorded,
    )  # fmt: skip
    if args.json:
        sys.stdout.write(json.dumps(found.document, allow_nan=False) + "\n")
    else:
        show_all(found)
        sys.stdout.write(f"{len(rows)} of {len(jobs)} runs; tables and plots: {args.out / name}*\n")
    return int(len(rows) < len(jobs))


def guarded(main: Callable[[], int]) -> int:
    """Run a script: an AmfError is one line and exit code 1, Ctrl-C and SIGTERM end it with 130."""

    def interrupt(number: int, frame: FrameType | None) -> None:
        raise KeyboardInterrupt

    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, interrupt)  # also where a shell started it in the background
    try:
        return main()
    except AmfError as error:
        sys.stderr.write(f"error: {error}\n")
        return 1
    except KeyboardInterrupt:
        sys.stderr.write("stopped; the same command continues\n")
        return 130
