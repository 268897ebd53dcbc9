"""Kills nodes of a running graph at random, again and again, and counts what is left or does not come back.

    python benchmarks/kills.py [--kills 40] [--seed 0] [--over up|launch] [--rows kills.csv] [--json]

Over ``amf up``, or over ``ros2 launch`` where that is installed. Up to three nodes are killed (SIGKILL) at a
time, at random moments, also while they start. Then all nodes must be there again: one process each, and an
answer from each. At the end the starter itself is killed with SIGKILL, and no process may be left. Rows are
added to the file, and the table is made from all of them, so that a long run may be made in parts.
"""

from __future__ import annotations

import argparse
import csv
import importlib.util
import json
import os
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import numpy as np
import psutil
import rclpy
from rcl_interfaces.srv import ListParameters
from rclpy.executors import SingleThreadedExecutor
from rclpy.node import Node

from amf_ros.ros.start.domain import Domain
from amf_ros.ros.start.graph import NODES
from amf_ros.ros.start.graph_environment import graph_environment

NAMES = tuple(node.name for node in NODES)
WHOLE_S = 180.0  # two busy cores; seconds are usual
ASK_AGAIN_S = 1.0
STARTERS = {
    "up": [sys.executable, "-m", "amf_ros.cli", "up"],
    "launch": [
        sys.executable,
        "-c",
        "import sys; from ros2cli.cli import main; sys.exit(main())",
        "launch",
        str(Path(__file__).parents[1] / "launch" / "amf.launch.py"),
    ],
}


class Starter:
    """``amf up`` or ``ros2 launch`` as a process, and the nodes below it."""

    def __init__(self, over: str, folder: Path) -> None:
        self.log = folder / "starter.log"
        words = [*STARTERS[over], f"session_directory:={folder / 'run'}", "real_time_factor:=0.0"]
        with self.log.open("wb") as file:
            self.process = subprocess.Popen(
                words, stdout=file, stderr=subprocess.STDOUT, start_new_session=True
            )
        self.ever: dict[int, psutil.Process] = {}

    def nodes(self) -> dict[str, list[psutil.Process]]:
        """Node name -> its processes below the starter; also remembers them."""
        if self.process.poll() is not None:
            raise SystemExit(
                f"the starter ended with {self.process.returncode}:\n{self.log.read_text()[-2000:]}"
            )
        found: dict[str, list[psutil.Process]] = {name: [] for name in NAMES}
        for process in psutil.Process(self.process.pid).children(recursive=True):
            self.ever[process.pid] = process
            name = node_of(process)
            if name:
                found[name].append(process)
        return found

    def astray(self) -> int:
        """Count processes that ever were below and live on, but are below the starter no more."""
        below = {one.pid for one in psutil.Process(self.process.pid).children(recursive=True)}
        return sum(pid not in below and one.is_running() for pid, one in self.ever.items())

    def left(self, timeout_s: float) -> int:
        """How many of all processes that ever were below are still there after at most so long."""
        return len(psutil.wait_procs(list(self.ever.values()), timeout_s)[1])


def node_of(process: psutil.Process) -> str:
    """Which node a process is; empty for others, and for what has just ended."""
    try:
        words = process.cmdline()
    except psutil.Error:
        return ""
    if process.status() == psutil.STATUS_ZOMBIE:
        return ""
    for name in NAMES:
        if f"amf_ros.nodes.{name}" in words or any(word.endswith(f"lib/amf_ros/{name}") for word in words):
            return name
    return ""


class Asker:
    """Asks nodes something that every ROS node answers while it is alive."""

    def __init__(self) -> None:
        rclpy.init(args=[])
        self._node = Node("kills", enable_rosout=False)
        self._executor = SingleThreadedExecutor()
        self._executor.add_node(self._node)
        self._clients = {
            name: self._node.create_client(ListParameters, f"{name}/list_parameters") for name in NAMES
        }

    def wait_whole(self, starter: Starter) -> float:
        """Seconds until each node is one process and answers."""
        started = time.monotonic()
        asked: dict[str, tuple[int, float, object]] = {}
        whole: dict[str, int] = {}
        while time.monotonic() - started < WHOLE_S:
            pids = {name: [one.pid for one in found] for name, found in starter.nodes().items()}
            for name, now in pids.items():
                if len(now) > 1:
                    raise SystemExit(f"{len(now)} processes are {name}: {now}")
                if now and whole.get(name) != now[0]:
                    self._ask(name, now[0], asked, whole)
            self._executor.spin_once(timeout_sec=0.05)
            if all(pids[name] == [whole.get(name)] for name in NAMES):
                return time.monotonic() - started
        missing = [name for name in NAMES if pids[name] != [whole.get(name)]]
        raise SystemExit(f"not there after {WHOLE_S:.0f} s: {missing}\n{starter.log.read_text()[-2000:]}")

    def _ask(
        self, name: str, pid: int, asked: dict[str, tuple[int, float, object]], whole: dict[str, int]
    ) -> None:
        before = asked.get(name)
        if before is not None and before[0] == pid and time.monotonic() - before[1] < ASK_AGAIN_S:
            if before[2].done():  # type: ignore[attr-defined]
                whole[name] = pid
            return
        asked[name] = (pid, time.monotonic(), self._clients[name].call_async(ListParameters.Request()))

    def close(self) -> None:
        """Leave the graph."""
        self._executor.shutdown()
        self._node.destroy_node()
        rclpy.try_shutdown()


@contextmanager
def in_own_domain() -> Iterator[None]:
    domain = Domain()
    os.environ.update(graph_environment(domain.id))
    try:
        yield
    finally:
        domain.release()


def shared_memory_mb() -> float:
    """What lies in /dev/shm, of all programs of this machine."""
    return sum(path.stat().st_blocks * 512 for path in Path("/dev/shm").iterdir()) / 1e6


def killing(over: str, kills: int, seed: int, folder: Path) -> list[dict[str, object]]:
    """Start, kill, end; a row per kill and one for the starter."""
    generator = np.random.default_rng(seed)
    starter, asker = Starter(over, folder), Asker()
    rows: list[dict[str, object]] = []
    try:
        asker.wait_whole(starter)
        while len(rows) < kills:
            time.sleep(float(generator.uniform(0.0, 1.0)))
            chosen = [
                str(name) for name in generator.choice(NAMES, size=generator.integers(1, 4), replace=False)
            ]
            for name in chosen:
                for process in starter.nodes()[name]:
                    process.send_signal(signal.SIGKILL)
                time.sleep(float(generator.uniform(0.0, 0.5)))
            whole_s = asker.wait_whole(starter)
            for name in chosen:
                rows.append(
                    {"over": over, "seed": seed, "killed": name, "whole_s": round(whole_s, 2), "left": 0}
                )
            rows[-1]["left"] = starter.astray()
            rows[-1]["shm_mb"] = round(shared_memory_mb(), 1)
            print(f"{len(rows):4} kills, {', '.join(chosen)}: whole after {whole_s:.1f} s", flush=True)
    except KeyboardInterrupt:
        sys.stderr.write("interrupted: what was killed so far counts\n")
    finally:
        asker.close()
        starter.process.kill()
        starter.process.wait()
        left = starter.left(30.0)
        for process in starter.ever.values():
            if process.is_running():
                process.kill()
    return [*rows, {"over": over, "seed": seed, "killed": "the starter", "whole_s": "", "left": left}]


def table(rows: list[dict[str, str]]) -> str:
    """What the README of the benchmarks shows."""
    lines = []
    for over in dict.fromkeys(row["over"] for row in rows):
        own = [row for row in rows if row["over"] == over]
        lines += [
            f"\nover {over}",
            "| killed | times | whole again, median | worst | left |",
            "|---|---|---|---|---|",
        ]
        for name in (*NAMES, "the starter"):
            of = [row for row in own if row["killed"] == name]
            times = [float(row["whole_s"]) for row in of if row["whole_s"]]
            spans = f"{np.median(times):.1f} s | {max(times):.1f} s" if times else "– | –"
            lines.append(f"| {name} | {len(of)} | {spans} | {sum(int(row['left']) for row in of)} |")
        memory = [float(row["shm_mb"]) for row in own if row.get("shm_mb")]
        nodes = sum(row["killed"] in NAMES for row in own)
        line = f"{nodes} kills of nodes"
        if memory:  # none where it was interrupted before all were back for the first time
            line += (
                f"; /dev/shm {memory[0]:.0f} MB at first, {memory[-1]:.0f} at last, most {max(memory):.0f}"
            )
        lines.append(line)
    return "\n".join(lines)


def main() -> None:
    """Entry point."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--kills", type=int, default=40)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--over", choices=list(STARTERS), default="up")
    parser.add_argument("--rows", type=Path, default=Path("kills.csv"))
    parser.add_argument("--json", action="store_true", help="print all rows, not the table")
    options = parser.parse_args()
    if options.over == "launch" and importlib.util.find_spec("ros2launch") is None:
        raise SystemExit("ros2 launch is not installed (it comes with ROS 2 from apt or source)")
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    with in_own_domain(), tempfile.TemporaryDirectory() as folder:
        rows = killing(options.over, options.kills, options.seed, Path(folder))
    new = not options.rows.exists()
    with options.rows.open("a", newline="", encoding="utf-8") as file:
        writer = csv.DictWriter(file, ["over", "seed", "killed", "whole_s", "left", "shm_mb"])
        if new:
            writer.writeheader()
        writer.writerows(rows)
    with options.rows.open(newline="", encoding="utf-8") as file:
        every = list(csv.DictReader(file))
    print(json.dumps(every) if options.json else table(every))


if __name__ == "__main__":
    main()
