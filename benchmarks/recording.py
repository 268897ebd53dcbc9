"""How fast demonstrations are written and read.

    source scripts/env.sh && python benchmarks/recording.py [--steps 200] [--objects 20] [--json]

Writes a demonstration of three streams (joint states, scene, commands) as the recorder does, raw bytes
through ``DemonstrationWriter.write``, and beside it through ``mcap_ros2.writer``, which encodes every message
again. The ratio of the two rates is what raw subscriptions buy. Then reads it as the fine-tuner does.
"""

from __future__ import annotations

import argparse
import json
import statistics
import tempfile
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
from mcap_ros2.decoder import DecoderFactory
from mcap_ros2.writer import Writer

from amf_ros.contract import Contract, load_contract
from amf_ros.core.values import Outcome, Task
from amf_ros.store.demonstrations import DemonstrationStore
from amf_ros.store.recovery import CHUNK_BYTES
from amf_ros.store.schemas import schema_text

TASK = Task("push", "push it", {"object": "object_1", "target": "object_2", "aux": "object_3"})
REPEATS = 5


@dataclass
class Sample:
    """One message: as an object, for the encoding writer, and as the bytes that it became."""

    topic: str
    stamp_ns: int
    message: Any
    data: bytes = b""


def header(stamp_ns: int) -> SimpleNamespace:
    sec, nanosec = divmod(stamp_ns, 1_000_000_000)
    return SimpleNamespace(stamp=SimpleNamespace(sec=sec, nanosec=nanosec), frame_id="base_link")


def pose(numbers: list[float]) -> SimpleNamespace:
    x, y, z, qx, qy, qz, qw = numbers
    return SimpleNamespace(
        position=SimpleNamespace(x=x, y=y, z=z), orientation=SimpleNamespace(x=qx, y=qy, z=qz, w=qw)
    )


def episode(contract: Contract, steps: int, objects: int) -> list[Sample]:
    rng = np.random.default_rng(0)
    joints = list(contract.command_joints)
    names = ["tool0", *(f"object_{number}" for number in range(1, objects))]
    samples = []
    for step in range(steps):
        stamp = 1_000_000_000 + step * contract.period_ns
        numbers = rng.uniform(0.0, 0.04, size=len(joints)).tolist()
        drawn = rng.normal(size=(objects, 7))
        drawn[:, 3:] /= np.linalg.norm(drawn[:, 3:], axis=1, keepdims=True)
        poses = drawn.tolist()
        point = SimpleNamespace(
            positions=numbers,
            velocities=[],
            accelerations=[],
            effort=[],
            time_from_start=SimpleNamespace(sec=0, nanosec=contract.period_ns),
        )
        state = SimpleNamespace(
            header=header(stamp), name=joints, position=numbers, velocity=numbers, effort=[]
        )
        scene = SimpleNamespace(header=header(stamp), names=names, poses=[pose(row) for row in poses])
        command = SimpleNamespace(header=header(stamp), joint_names=joints, points=[point])
        samples += [
            Sample("joint_states", stamp, state),
            Sample("scene_state", stamp, scene),
            Sample(contract.record_from, stamp, command),
        ]
    return samples


def write_encoding(path: Path, types: dict[str, str], samples: list[Sample]) -> None:
    """As a recorder with deserialised messages would."""
    with path.open("wb") as stream:
        writer = Writer(stream, chunk_size=CHUNK_BYTES)
        schemas = {topic: writer.register_msgdef(type_, schema_text(type_)) for topic, type_ in types.items()}
        for sample in samples:
            writer.write_message("/" + sample.topic, schemas[sample.topic], sample.message, sample.stamp_ns)
        writer.finish()


def fill_bytes(path: Path, samples: list[Sample]) -> None:
    """Each sample's CDR bytes, from the file that the encoding writer made."""
    from mcap.reader import make_reader

    with path.open("rb") as stream:
        messages = make_reader(stream, decoder_factories=[DecoderFactory()]).iter_messages(
            log_time_order=False
        )
        for sample, (_, _, message) in zip(samples, messages):
            sample.data = message.data


def seconds(act: Callable[[], object]) -> float:
    """Median of some runs, the first one apart."""
    times = []
    for _ in range(REPEATS + 1):
        start = time.perf_counter()
        act()
        times.append(time.perf_counter() - start)
    return statistics.median(times[1:])


def measure(steps: int, objects: int, folder: Path) -> dict[str, float]:
    contract = load_contract("panda_tabletop")
    samples = episode(contract, steps, objects)
    types = {topic.name: topic.type for topic in contract.topics} | {
        contract.record_from: contract.command_type
    }
    encoding_s = seconds(lambda: write_encoding(folder / "encoded.mcap", types, samples))
    fill_bytes(folder / "encoded.mcap", samples)
    store = DemonstrationStore(folder / "demonstrations")
    ids = (f"d{number}" for number in range(1000))

    def stage() -> Any:
        recording = store.stage(next(ids), TASK, contract)
        for topic, type_ in types.items():
            recording.add_topic(topic, type_, schema_text(type_))
        return recording

    def write(recording: Any) -> Any:
        for sample in samples:
            recording.write(sample.topic, sample.stamp_ns, sample.stamp_ns, sample.data)
        return recording

    raw_s = seconds(lambda: write(stage()).discard())
    finish_s = seconds(lambda: write(stage()).finish(Outcome.SUCCESS)) - raw_s
    id_ = store.ids()[0]
    load_s = seconds(lambda: DemonstrationStore(store.root).load(id_, contract))
    cached_s = seconds(lambda: store.load(id_, contract))
    info_s = seconds(lambda: DemonstrationStore(store.root).info(id_))
    return {
        "messages": len(samples),
        "kilobytes": store.path(id_).stat().st_size / 1000,
        "write_messages_per_s": len(samples) / raw_s,
        "write_ratio_to_encoding": encoding_s / raw_s,
        "finish_ms": finish_s * 1e3,
        "load_ms": load_s * 1e3,
        "load_again_ms": cached_s * 1e3,
        "info_ms": info_s * 1e3,
    }


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--steps", type=int, default=200, help="of the demonstration (200: 10 s at 20 Hz)")
    parser.add_argument("--objects", type=int, default=20, help="in the scene")
    parser.add_argument("--json", action="store_true", help="print JSON")
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        figures = measure(arguments.steps, arguments.objects, Path(folder))
    if arguments.json:
        print(json.dumps(figures))
        return
    print(f"{figures['messages']:.0f} messages, {figures['kilobytes']:.0f} kB on the disk")
    print(
        f"write   {figures['write_messages_per_s']:8.0f} messages/s, "
        f"{figures['write_ratio_to_encoding']:.1f} x the encoding writer"
    )
    print(f"finish  {figures['finish_ms']:8.1f} ms (decoded, checked, flushed to the disk, renamed)")
    print(
        f"load    {figures['load_ms']:8.1f} ms, again {figures['load_again_ms']:.2f} ms, "
        f"metadata only {figures['info_ms']:.1f} ms"
    )


if __name__ == "__main__":
    main()
