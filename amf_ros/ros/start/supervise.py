"""Runs the graph's nodes as processes under supervisord: restarted when they die, stopped with SIGINT.

    with Graph({"session_directory": "runs/a"}, logs=Path("runs/a/log")) as graph:
        os.environ.update(graph.environment)       # then rclpy.init() in this process joins the graph
        graph.check()                              # raises where a node gave up

No process outlives this one, even when it is killed: each dies with its parent.
"""

from __future__ import annotations

import configparser
import os
import re
import shlex
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterable, Mapping
from pathlib import Path
from types import TracebackType
from typing import IO, Any
from xmlrpc.client import Fault, ServerProxy

import supervisor.supervisord
from supervisor.xmlrpc import SupervisorTransport

from amf_ros.core.errors import AmfError, ConfigError, StorageError
from amf_ros.ros.node.runtime import EXIT_USAGE
from amf_ros.ros.start import graph as description
from amf_ros.ros.start.domain import Domain
from amf_ros.ros.start.graph_environment import default_params, graph_environment
from amf_ros.ros.start.lifeline import DIE_WITH_PARENT, die_with_parent, ended, tied_to_this_process

STOP_S = 8
_PLAIN = re.compile(r"[A-Za-z0-9/._-]{1,60}")
_SPAWNED = re.compile(r"spawned: '(\w+)' with pid (\d+)")
_EXITED = re.compile(r"exited: (\w+) \((?:exit status (\d+)|terminated by)")


class NodeFailed(AmfError):
    """A node cannot run; carries the end of its log."""


class Graph:
    """The nodes of the graph, or some of them.

    Args:
        arguments: launch arguments, see :data:`amf_ros.ros.start.graph.ARGUMENTS`.
        logs: folder for one log per node; made where missing.
        only: names of the nodes to start; None = all.
        domain_id: ROS domain; None = one that nobody on this machine uses.
        environment: more environment variables for the nodes.
        extra: ROS parameters by node name, over those of the arguments: ``{"robot": {"camera_hz": "5.0"}}``.

    Raises:
        ConfigError: an argument or node is unknown.
        StorageError: the log folder cannot be made.
    """

    def __init__(
        self,
        arguments: Mapping[str, str],
        logs: Path,
        *,
        only: Iterable[str] | None = None,
        domain_id: int | None = None,
        environment: Mapping[str, str] | None = None,
        extra: Mapping[str, Mapping[str, str]] | None = None,
    ) -> None:
        try:
            self._arguments = description.arguments(arguments)
        except ValueError as error:
            raise ConfigError(str(error)) from error
        wanted = set(only if only is not None else (node.name for node in description.nodes(arguments)))
        self._nodes = [node for node in description.EVERY_NODE if node.name in wanted]
        unknown = wanted - {node.name for node in self._nodes}
        if unknown:
            known = ", ".join(node.name for node in description.EVERY_NODE)
            raise ConfigError(f"unknown node {sorted(unknown)[0]!r}; known: {known}")
        self.logs, self._extra = Path(logs).resolve(), extra or {}
        self._domain = Domain(domain_id)
        self.environment = graph_environment(self._domain.id) | dict(environment or {})
        self._folder: Path | None = None
        self._process: subprocess.Popen[bytes] | None = None

    def __enter__(self) -> Graph:
        self.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.stop()

    def start(self) -> None:
        """Start all processes; returns before the nodes are ready."""
        try:
            self.logs.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise StorageError(
                f"{self.logs}: cannot keep logs there ({error.strerror}); choose another folder"
            ) from error
        self._folder = _plain_folder()
        (self._folder / "logs").symlink_to(self.logs)
        for node in self._nodes:
            (self._folder / f"{node.name}.sh").write_bytes(os.fsencode(self._script(node)))
        config = self._folder / "supervisord.conf"
        with config.open("w", encoding="utf-8") as file:
            self._config().write(file)
        environment = {**os.environ, **self.environment, **tied_to_this_process()}
        self._process = subprocess.Popen(
            [sys.executable, "-m", "amf_ros.ros.start.supervise", str(config)],
            env=environment,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            stderr=(self._folder / "stderr").open("wb"),
            start_new_session=True,  # Ctrl-C is for us; we stop the nodes in order
        )

    def _config(self) -> configparser.RawConfigParser:
        config = configparser.RawConfigParser()
        folder = self._folder
        config["unix_http_server"] = {"file": f"{folder}/socket", "chmod": "0600"}
        config["rpcinterface:supervisor"] = {
            "supervisor.rpcinterface_factory": "supervisor.rpcinterface:make_main_rpcinterface"
        }
        config["supervisord"] = {
            "nodaemon": "true",
            "silent": "true",
            "logfile": f"{folder}/logs/supervisor.log",
            "logfile_backups": "0",
            "pidfile": f"{folder}/pid",
            "childlogdir": str(folder),
            "minfds": "256",
            "minprocs": "64",
        }
        # One group is stopped all at once; programs of their own would be stopped one after another.
        config["group:amf"] = {"programs": ",".join(node.name for node in self._nodes)}
        for node in self._nodes:
            config[f"program:{node.name}"] = {
                "command": f"/bin/sh {folder}/{node.name}.sh",
                "autorestart": "unexpected",
                "exitcodes": str(EXIT_USAGE),  # a wrong parameter stays wrong; all else is started again
                "startsecs": "2",
                "startretries": "10",
                "stopsignal": "INT",
                "stopwaitsecs": str(STOP_S),
                "stdout_logfile": f"{folder}/logs/{node.name}.log",
                "stdout_logfile_maxbytes": "20MB",
                "stdout_logfile_backups": "1",
                "redirect_stderr": "true",
            }
        return config

    def _script(self, node: description.NodeSpec) -> str:
        """Becomes the node. A shell takes every character of a path, supervisord's file does not."""
        words = description.command(node, self._arguments, default_params())
        for name, value in self._extra.get(node.name, {}).items():
            words += ["-p", f"{name}:={value}"]
        return f"exec {shlex.join(words)}\n"

    def states(self) -> dict[str, tuple[str, int]]:
        """Node name -> supervisord's word for its state (RUNNING, BACKOFF, ...) and its pid, 0 without one.

        Raises:
            NodeFailed: the supervisor itself has ended.
        """
        return {info["name"]: (info["statename"], info["pid"]) for info in self._infos()}

    def _infos(self) -> list[dict[str, Any]]:
        infos: list[dict[str, Any]] = self._rpc(lambda server: server.getAllProcessInfo())
        return infos

    def pids(self) -> dict[str, int]:
        """Node name -> pid, 0 while it is not running."""
        return {name: pid for name, (_, pid) in self.states().items()}

    def restarts(self) -> dict[str, int]:
        """Node name -> how often it was started again."""
        pids = [name for name, _ in _SPAWNED.findall(self._history())]
        return {node.name: max(pids.count(node.name) - 1, 0) for node in self._nodes}

    def check(self) -> None:
        """Refuse to go on where a node will not run again. Raises NodeFailed with the end of its log.

        A node that has just died is no such node: its supervisor is about to start it again.
        """
        for info in self._infos():
            if self._final(info):
                name = info["name"]
                raise NodeFailed(
                    f"node {name} cannot run: {self.last_words(name)} (whole log: {self.logs / name}.log)"
                )

    def _final(self, info: Mapping[str, Any]) -> bool:
        if info["statename"] == "EXITED":  # also passed through by each node that is started again
            return bool(info["exitstatus"] == EXIT_USAGE)
        if info["statename"] == "BACKOFF":  # died young: supervisord forgets the exit code, its log does not
            return dict(_EXITED.findall(self._history())).get(info["name"]) == str(EXIT_USAGE)
        return info["statename"] in ("FATAL", "UNKNOWN")

    def _history(self) -> str:
        """Return what supervisord wrote since it was started."""
        log = self.logs / "supervisor.log"
        text = log.read_text(encoding="utf-8", errors="replace") if log.is_file() else ""
        return text[text.rfind("supervisord started") :]

    def last_words(self, name: str) -> str:
        """Return the last line of a node's log that says something."""
        log = self.logs / f"{name}.log"
        text = log.read_text(encoding="utf-8", errors="replace") if log.is_file() else ""
        lines = [line.strip() for line in text.splitlines() if re.search(r"\w", line)]
        return lines[-1] if lines else "it wrote nothing"

    def follow(self) -> LogFollower:
        """Read what the nodes write from now on."""
        return LogFollower({node.name: self.logs / f"{node.name}.log" for node in self._nodes})

    def stop(self) -> None:
        """Stop every node with SIGINT, wait, and leave no process behind; may be called twice."""
        process, self._process = self._process, None
        if process is not None:
            process.send_signal(signal.SIGTERM)  # supervisord then stops its children as configured
            try:
                process.wait(STOP_S + 5)
            except subprocess.TimeoutExpired:
                os.killpg(process.pid, signal.SIGKILL)
                process.wait()
        if self._folder is not None:
            shutil.rmtree(self._folder, ignore_errors=True)
            self._folder = None
        self._domain.release()

    def _rpc(self, call: Callable[[Any], Any], timeout_s: float = 10.0) -> Any:
        end = time.monotonic() + timeout_s
        while True:
            if self._process is None or self._process.poll() is not None:
                raise NodeFailed(f"the supervisor has ended: {self._complaint()}")
            try:
                with ServerProxy(
                    "http://localhost", SupervisorTransport(None, None, f"unix://{self._folder}/socket")
                ) as server:
                    return call(server.supervisor)
            except (OSError, Fault) as error:  # not listening yet, or shutting down
                if time.monotonic() > end:
                    raise NodeFailed(f"the supervisor does not answer: {error}") from error
                time.sleep(0.05)

    def _complaint(self) -> str:
        said = self._folder / "stderr" if self._folder else None
        text = said.read_text(encoding="utf-8", errors="replace").strip() if said and said.is_file() else ""
        return text.splitlines()[-1] if text else "it was stopped"


class LogFollower:
    """New lines of several growing files."""

    def __init__(self, files: Mapping[str, Path]) -> None:
        self._files = files
        self._open: dict[str, IO[bytes]] = {}
        self._rest: dict[str, bytes] = dict.fromkeys(files, b"")

    def lines(self) -> list[tuple[str, str]]:
        """(node, line) of every whole line since the last call."""
        found = []
        for name, path in self._files.items():
            if name not in self._open:
                if not path.is_file():
                    continue
                self._open[name] = path.open("rb")
            *whole, self._rest[name] = (self._rest[name] + self._open[name].read()).split(b"\n")
            found += [(name, line.decode("utf-8", "replace")) for line in whole]
        return found


def _plain_folder() -> Path:
    """Make a folder with a plain and short path: it stands in supervisord's file, and a socket is in it."""
    usual = tempfile.gettempdir()
    return Path(tempfile.mkdtemp(prefix="amf-", dir=usual if _PLAIN.fullmatch(usual) else "/tmp"))


def main(config: str) -> None:
    """Be supervisord, and die with the process that started us."""
    die_with_parent()
    named = os.environ[DIE_WITH_PARENT]
    os.environ.update(tied_to_this_process())
    try:
        supervisor.supervisord.main(["-c", config])
    finally:
        if ended(named):  # else it reads there why we ended, and tidies up itself
            shutil.rmtree(Path(config).parent, ignore_errors=True)


if __name__ == "__main__":
    main(sys.argv[1])
