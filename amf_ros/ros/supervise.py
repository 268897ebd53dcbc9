"""The graph as processes under supervisord: what `amf up`, `amf demo` and the graph tests start.

Where the launch package is installed, ``launch/amf.launch.py`` runs the same nodes; both read
:mod:`amf_ros.graph`. A node that dies is started again; one that refuses its configuration is not.

    with Graph({"session_directory": "runs/a"}, log_directory=Path("runs/a/log")) as graph:
        graph.wait_ready(timeout_s=30)
"""

from __future__ import annotations

import ctypes
import os
import random
import shlex
import signal
import socket
import subprocess
import sys
import tempfile
import time
import xmlrpc.client
from collections.abc import Mapping
from pathlib import Path
from types import TracebackType
from typing import Any

import psutil
from supervisor.xmlrpc import SupervisorTransport

from amf_ros import graph as description
from amf_ros.errors import AmfError
from amf_ros.paths import config_directories
from amf_ros.ros.runtime import DIE_WITH_PARENT, EXIT_USAGE

_STOP_WAIT_S = 10  # a node may close a file and hold the arm before it is killed
_PR_SET_PDEATHSIG = 1


class GraphError(AmfError):
    """The graph did not come up, or lost a node for good; names the node and its last words."""


def shipped(name: str) -> str:
    """Path of a file in our ``config`` folder: ``params.yaml``, ``fastdds.xml``; empty if absent."""
    files = (folder / name for folder in config_directories())
    return next((str(file) for file in files if file.is_file()), "")


def environment(base: Mapping[str, str] | None = None) -> dict[str, str]:
    """What every node is started with: the DDS profile, this package importable, output unbuffered."""
    env = dict(os.environ if base is None else base)
    if profile := shipped("fastdds.xml"):
        env.setdefault("FASTDDS_DEFAULT_PROFILES_FILE", profile)
    package_root = str(Path(__file__).resolve().parents[2])
    env["PYTHONPATH"] = os.pathsep.join(dict.fromkeys([package_root, *filter(None, [env.get("PYTHONPATH")])]))
    env["PYTHONUNBUFFERED"] = "1"
    return env


def isolated_environment() -> dict[str, str]:
    """As :func:`environment`, on this machine only and in a ROS domain that nobody uses."""
    return environment() | {
        "ROS_DOMAIN_ID": str(free_domain()),
        "ROS_AUTOMATIC_DISCOVERY_RANGE": "LOCALHOST",
    }


def free_domain() -> int:
    """A ROS domain id (1-101) whose discovery port is free."""
    domains = list(range(1, 102))
    random.SystemRandom().shuffle(domains)
    for domain in domains:
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as probe:
            try:
                probe.bind(("", 7400 + 250 * domain))
            except OSError:
                continue
        return domain
    raise GraphError("no free ROS domain between 1 and 101; stop a graph, or set ROS_DOMAIN_ID")


class Graph:
    """The nodes of one graph, as a context manager.

    Args:
        values: launch arguments (:data:`amf_ros.graph.ARGUMENTS`).
        log_directory: one ``<node>.log`` each; ignored with ``echo``.
        env: of the nodes; None = :func:`environment`.
        echo: nodes write to this process's output instead of log files.
    """

    def __init__(
        self,
        values: Mapping[str, str],
        log_directory: Path,
        env: Mapping[str, str] | None = None,
        echo: bool = False,
    ) -> None:
        try:
            self._values = description.arguments(values)
        except ValueError as error:
            raise GraphError(str(error)) from error
        self._logs, self._echo = log_directory.resolve(), echo
        self.env = dict(environment() if env is None else env)
        self.nodes = tuple(node.name for node in description.NODES)
        self._process: subprocess.Popen[bytes] | None = None
        self._folder = tempfile.TemporaryDirectory(prefix="amf-")  # short: a socket's path has 108 bytes
        self._socket = Path(self._folder.name) / "supervisor.sock"

    def __enter__(self) -> Graph:
        self.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.stop()

    def start(self) -> None:
        """Start all nodes; returns before they are ready."""
        self._logs.mkdir(parents=True, exist_ok=True)
        config = Path(self._folder.name) / "supervisord.conf"
        config.write_text(self._config(), encoding="utf-8")
        supervisord = [sys.executable, "-m", "supervisor.supervisord", "-n", "-c", str(config)]
        # exec keeps the shell's pid, which the nodes compare with their parent's.
        line = f"export {DIE_WITH_PARENT}=$$; exec {shlex.join(supervisord)}"
        self._process = subprocess.Popen(
            ["/bin/sh", "-c", line], env=self.env, start_new_session=True, preexec_fn=_end_with_parent
        )

    def _config(self) -> str:
        out = "/dev/fd/1" if self._echo else str(self._logs / "%(program_name)s.log")
        sections = [
            f"[unix_http_server]\nfile={self._socket}\n",
            "[supervisord]\nnodaemon=true\nsilent=true\n"
            f"logfile={self._folder.name}/supervisord.log\npidfile={self._folder.name}/supervisord.pid\n"
            f"childlogdir={self._folder.name}\n",
            "[rpcinterface:supervisor]\n"
            "supervisor.rpcinterface_factory=supervisor.rpcinterface:make_main_rpcinterface\n",
        ]
        for node in description.NODES:
            line = description.command(node, self._values, shipped("params.yaml"))
            command = shlex.join(line).replace("%", "%%")
            sections.append(
                f"[program:{node.name}]\ncommand={command}\nautorestart=unexpected\n"
                f"exitcodes=0,{EXIT_USAGE}\nstartsecs=0\nstopsignal=INT\nstopwaitsecs={_STOP_WAIT_S}\n"
                f"killasgroup=true\nredirect_stderr=true\nstdout_logfile={out}\nstdout_logfile_maxbytes=0\n"
            )
        return "\n".join(sections)

    def _states(self) -> dict[str, dict[str, Any]]:
        """The supervisor's own table, by node; empty while it is not up."""
        transport = SupervisorTransport(None, None, f"unix://{self._socket}")
        proxy: Any = xmlrpc.client.ServerProxy("http://127.0.0.1", transport=transport)
        try:
            table = proxy.supervisor.getAllProcessInfo()
        except (OSError, xmlrpc.client.Error):
            return {}
        finally:
            transport.close()
        return {str(row["name"]): dict(row) for row in table}

    def pids(self) -> dict[str, int]:
        """Process ids of the nodes that run now."""
        return {name: int(row["pid"]) for name, row in self._states().items() if row["pid"]}

    def check(self) -> None:
        """Raise GraphError if the supervisor is gone or a node has ended for good."""
        if self._process is None or self._process.poll() is not None:
            raise GraphError("the graph is not running; start it again")
        for name, row in self._states().items():
            if row["statename"] in ("EXITED", "FATAL"):
                raise GraphError(f"node {name} ended with {row['exitstatus']}: {self._last_words(name)}")

    def _last_words(self, name: str) -> str:
        log = self._logs / f"{name}.log"
        lines = log.read_text(errors="replace").splitlines() if log.is_file() else []
        errors = [line for line in lines if line.startswith("error: ")]
        if errors:
            return errors[-1].removeprefix("error: ")
        return f"{lines[-1]} (see {log})" if lines else "see the output above"

    def wait_ready(self, timeout_s: float = 60.0) -> None:
        """Return once every node offers what others ask of it, seen from this process's ROS environment.

        Raises:
            GraphError: a node ended, or is not ready in time.
        """
        from amf_ros.ros.ready import missing_servers  # needs rclpy, which starting does not

        end = time.monotonic() + timeout_s
        with missing_servers(self._values["namespace"]) as missing:
            while waiting := missing(0.2):
                self.check()
                if time.monotonic() > end:
                    node = waiting[0].split("/")[0]
                    raise GraphError(
                        f"{', '.join(waiting)} did not appear within {timeout_s:.0f} s; "
                        f"node {node} said: {self._last_words(node)}"
                    )

    def wait(self) -> int:
        """Block until the supervisor ends; its exit code."""
        if self._process is None:
            raise GraphError("the graph is not running; start it first")
        return self._process.wait()

    def stop(self) -> None:
        """Stop all nodes in good order; nothing is left behind. Twice does no harm."""
        if self._process is None:
            return
        process, self._process = self._process, None
        family = _family(process.pid)
        process.terminate()
        try:
            process.wait(timeout=_STOP_WAIT_S + 5)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()
        for left in family:
            if left.is_running():
                left.send_signal(signal.SIGKILL)
        psutil.wait_procs(family, timeout=5)
        self._folder.cleanup()


def _family(pid: int) -> list[psutil.Process]:
    try:
        return psutil.Process(pid).children(recursive=True)
    except psutil.NoSuchProcess:
        return []


def _end_with_parent() -> None:
    """In the child before exec: SIGTERM when the process that started it is gone (Linux only)."""
    if sys.platform.startswith("linux"):
        ctypes.CDLL(None).prctl(_PR_SET_PDEATHSIG, signal.SIGTERM, 0, 0, 0)
