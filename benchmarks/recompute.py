"""Compute the tables of a benchmark again from its raw rows, without running anything.

    python benchmarks/recompute.py [docs/benchmarks/kinematic.rows.jsonl.gz ...] [--json]

The rows of the committed results lie in docs/benchmarks: one line per run with seed, setting, strategy, the
chosen tasks and each task's success at each point. What this prints is computed from them alone, with the
means, bootstrap intervals and tests of the benchmark.
"""

from __future__ import annotations

import argparse
import json
import sys
from pathlib import Path
from typing import Any

import integrator

from amf_ros.sweep.publish import markdown_of, recompute
from amf_ros.sweep.rows import SUFFIX, read_rows
from amf_ros.sweep.script import guarded
from amf_ros.sweep.tables import markdown

COMMITTED = Path(__file__).parents[1] / "docs" / "benchmarks"


def main() -> int:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter, allow_abbrev=False
    )
    add = parser.add_argument
    add(
        "files",
        nargs="*",
        type=Path,
        help=f"*{SUFFIX}; default: all in {COMMITTED.parent.name}/{COMMITTED.name}",
    )
    add("--json", action="store_true", help="one JSON document on stdout in place of tables")
    args = parser.parse_args()
    found = [again(path) for path in args.files or sorted(COMMITTED.glob(f"*{SUFFIX}"))]
    if args.json:
        sys.stdout.write(json.dumps([document for document, _ in found], allow_nan=False) + "\n")
    else:
        sys.stdout.write("\n".join(text for _, text in found))
    return 0


def again(path: Path) -> tuple[dict[str, Any], str]:
    """Return the JSON document and the text that belong to a file of rows."""
    header, panels, _ = read_rows(path)
    if header["name"] != "integrator":
        found = recompute(path)
        return found.document, f"## {header['name']}\n\n{markdown_of(found)}"
    found = recompute(
        path, integrator.shown_of
    )  # its settings are numbers of known tasks, and it shows means
    tables = integrator.tables_of(panels, header["reference"])
    extra = {title: markdown(*both).splitlines() for title, both in tables.items()}
    text = "".join(f"\n### {title}\n\n{markdown(*both)}" for title, both in tables.items())
    return {**found.document, **extra}, f"## {header['name']}\n\n{markdown_of(found)}{text}"


if __name__ == "__main__":
    sys.exit(guarded(main))
