"""What all tests share: single-threaded maths, and ROS domains that no other run hears."""

import fcntl
import itertools
import os
import tempfile
from collections.abc import Iterator
from importlib.util import find_spec
from pathlib import Path

import hypothesis
import pytest
from support.participants import collected, participants
from support.signals import heed_signals

# Two cores run several processes: more threads than one make every one of them slower.
for _name in ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS"):
    os.environ.setdefault(_name, "1")
os.environ.setdefault("MPLBACKEND", "Agg")
# How long an example takes says how busy the machine is, and nothing about the code.
hypothesis.settings.register_profile("amf", deadline=None)
hypothesis.settings.load_profile("amf")
os.environ["ROS_AUTOMATIC_DISCOVERY_RANGE"] = "LOCALHOST"

# The ports of domains above 101 lie where Linux hands out ports to anyone.
_DOMAINS = itertools.cycle(range(1, 101))


def pytest_configure() -> None:
    """Heed Ctrl-C before any worker or node is started."""
    heed_signals()


@pytest.fixture(scope="module", autouse=True)
def ros_domain(tmp_path_factory: pytest.TempPathFactory) -> Iterator[int]:
    """A ROS_DOMAIN_ID of the test module's own, held by the file lock that ``amf up`` and demos take too."""
    for domain in itertools.islice(_DOMAINS, 100):
        path = Path(tempfile.gettempdir(), f"amf_ros_domain_{domain}.lock")
        with path.open("w") as lock:
            try:
                fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                continue
            with pytest.MonkeyPatch.context() as patch:
                patch.setenv("ROS_DOMAIN_ID", str(domain))
                patch.setenv("ROS_HOME", str(tmp_path_factory.mktemp("ros_home")))  # where stops are kept
                before = participants()
                yield domain
            left = collected() - before
            assert left <= 0, f"{left} DDS participants are left: destroy nodes, action clients and contexts"
            return
    pytest.fail("all ROS domains are taken by other test runs")


@pytest.hookimpl(tryfirst=True)
def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Keep graphs one at a time, and the tests of a file together, where several workers run tests (xdist).

    Tests of the launch file run wherever the launch packages are, and say so where they are not.
    """
    for item in items:
        graph = "graph" in item.path.parts[-3:]
        item.add_marker(pytest.mark.xdist_group("graph" if graph else str(item.path)))
    missing = [name for name in ("launch", "launch_ros", "launch_pytest") if find_spec(name) is None]
    if not missing:
        return
    reason = f"not installed: {', '.join(missing)} (they come with ROS 2 from apt or source)"
    for item in items:
        if item.get_closest_marker("launch"):
            item.add_marker(pytest.mark.skip(reason=reason))
