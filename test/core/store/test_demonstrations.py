from __future__ import annotations

import numpy as np
import pytest
import yaml
from support.frames import flat, vectors

from amf_ros.contract import Contract, ObservationLayout, SuiteInterface
from amf_ros.contract.spec import ContractSpec
from amf_ros.core.config import parse
from amf_ros.core.errors import DataError, UnknownName
from amf_ros.core.paths import find_config
from amf_ros.core.values import Demonstration, Outcome, Source
from amf_ros.store import folder
from amf_ros.store.array_format import ArrayFormat
from amf_ros.store.demonstrations import DemonstrationStore
from amf_ros.store.doctor import examine
from amf_ros.store.schemas import schema_text


def live_arrays(episode, contract, roles):
    """What the executor would have seen and what it would have had to answer, at every step."""
    observations, actions = [], []
    for joints, scene, command in zip(episode.joints, episode.scenes, episode.commands):
        inputs = {"joint_states": joints, "scene_state": scene}
        observations.append(flat(contract.observe(inputs, roles, now_ns=scene.stamp_ns)))
        actions.append(contract.encode(command, joints))
    return np.stack(observations), np.stack(actions)


def test_replay_gives_the_arrays_of_live_observation_bit_for_bit(store, contract, suite, record, draw):
    episode = draw(40)
    observations, actions = live_arrays(episode, contract, suite.task("push").roles)
    record("d1", episode).finish(Outcome.SUCCESS)
    for reader in (store, DemonstrationStore(store.root)):  # what was kept in memory, and what is in the file
        demonstration = reader.load("d1", contract, suite)
        assert demonstration.observations.flat().tobytes() == observations.tobytes()
        assert demonstration.actions.tobytes() == actions.tobytes()
        assert demonstration.stamps_ns.tolist() == [command.stamp_ns for command in episode.commands]


def test_info_says_what_was_recorded(store, contract, record, draw):
    episode = draw(21)
    record("d1", episode, source=Source.TELEOPERATION, seed=2**63, recorded_ns=5).finish(Outcome.SUCCESS)
    info = DemonstrationStore(store.root).info("d1")
    assert (info.id, info.task_id, info.outcome, info.source) == (
        "d1",
        "push",
        Outcome.SUCCESS,
        Source.TELEOPERATION,
    )
    assert (info.num_steps, info.seed, info.stamp_ns) == (21, 2**63, episode.commands[0].stamp_ns)
    assert info.duration_s == pytest.approx(1.0)
    assert info.uri == (store.root / "d1.mcap").resolve().as_uri()
    assert (info.about.contract_hash, info.about.suite) == (contract.hash, "tabletop")


def test_a_recording_appears_only_when_it_is_finished(store, record, draw):
    recording = record("d1", draw())
    assert store.ids() == []
    assert store.find("d1") is None
    recording.finish(Outcome.SUCCESS)
    assert store.ids() == ["d1"]
    assert list(store.staging.iterdir()) == []


def test_a_discarded_recording_leaves_nothing(store, record, draw):
    recording = record("d1", draw())
    recording.discard()
    assert [path for path in store.root.rglob("*") if path.is_file()] == []
    with pytest.raises(DataError, match="has ended"):
        recording.finish(Outcome.SUCCESS)


def test_usable_ones_come_in_the_order_of_recording_without_failures(store, contract, suite, record, draw):
    for id_, recorded_ns, outcome in [
        ("c", 1, Outcome.SUCCESS),
        ("a", 3, Outcome.UNLABELED),
        ("b", 2, Outcome.FAILURE),
    ]:
        record(id_, draw(5), recorded_ns=recorded_ns).finish(outcome)
    assert store.ids() == ["a", "b", "c"]
    assert [d.id for d in store.all_usable(contract, suite)] == ["c", "a"]


def test_an_id_is_taken_once(store, contract, suite, record, draw):
    record("d1", draw()).finish(Outcome.SUCCESS)
    with pytest.raises(DataError, match="exists already"):
        store.stage("d1", suite.task("push"), contract)


def test_an_id_in_use_by_a_live_recording_is_refused(store, contract, suite, stage):
    recording = stage("d1")
    with pytest.raises(DataError, match="being recorded right now"):
        store.stage("d1", suite.task("push"), contract)
    recording.discard()
    store.stage("d1", suite.task("push"), contract).discard()


@pytest.mark.parametrize("id_", ["", "../evil", "a/b", ".hidden", "x" * 201, "a\n"])
def test_an_id_that_is_no_file_name_is_refused(store, contract, suite, id_):
    with pytest.raises(DataError, match="cannot be a file name"):
        store.stage(id_, suite.task("push"), contract)


def test_an_unknown_id_is_named_with_the_nearest(store, contract, record, draw):
    record("r001_push", draw(5)).finish(Outcome.SUCCESS)
    with pytest.raises(UnknownName, match="did you mean 'r001_push'"):
        store.load("r001_posh", contract)


def test_trash_can_be_undone(store, contract, suite, record, draw):
    record("d1", draw(6)).finish(Outcome.SUCCESS)
    before = store.load("d1", contract, suite)
    store.trash("d1")
    assert store.ids() == []
    record("d1", draw(7, seed=1)).finish(Outcome.SUCCESS)
    with pytest.raises(DataError, match="exists already"):
        store.restore("d1")
    store.trash("d1")
    assert store.restore("d1").num_steps == 6
    assert store.load("d1", contract, suite).actions.tobytes() == before.actions.tobytes()
    assert store.restore


def test_a_replaced_file_is_read_again(store, contract, suite, record, draw):
    record("d1", draw(6)).finish(Outcome.SUCCESS)
    assert store.load("d1", contract, suite).num_steps == 6
    other = DemonstrationStore(store.root)
    other.trash("d1")
    announced = other.stage("d1", suite.task("push"), contract)
    announced.discard()
    record("d1", draw(9)).finish(Outcome.FAILURE)
    assert other.load("d1", contract, suite).num_steps == 9
    assert other.info("d1").outcome is Outcome.FAILURE


def test_loaded_arrays_cannot_be_changed_by_a_caller(store, contract, suite, record, draw):
    record("d1", draw(5)).finish(Outcome.SUCCESS)
    with pytest.raises(ValueError, match="read-only"):
        store.load("d1", contract, suite).actions[0, 0] = 1.0


def test_a_task_that_the_suite_lost_is_named(store, contract, suite, record, draw):
    record("d1", draw(5)).finish(Outcome.SUCCESS)

    class Other:
        def task(self, task_id):
            raise UnknownName("task", task_id, ["pull"])

    with pytest.raises(DataError, match=r"'d1' does not fit: unknown task 'push'.*tabletop"):
        store.all_usable(contract, Other())


def test_every_attempt_counts_whether_it_was_kept_or_not(store, record, draw):
    record("good", draw(21)).finish(Outcome.SUCCESS)
    record("bad", draw(11)).finish(Outcome.FAILURE)
    record("thrown", draw(6)).finish(Outcome.SUCCESS)
    store.trash("thrown")
    record("cancelled", draw(6)).discard()
    (store.bin / "damaged.mcap").write_bytes(b"not a recording")
    for reader in (store, store, DemonstrationStore(store.root)):
        (attempts,) = reader.attempts().values()
        assert sorted(usable for _, usable in attempts) == [False, False, True]
        assert sorted(round(seconds, 3) for seconds, _ in attempts) == [0.25, 0.5, 1.0]
    store.restore("thrown")
    assert sorted(store.attempts()["push"])[0] == (pytest.approx(0.25), True)


def test_an_absolute_topic_records_and_reads_back(tmp_path, suite, draw):
    data = yaml.safe_load(find_config("contracts", "panda_tabletop").read_text())
    data["topics"]["/left/joint_states"] = data["topics"].pop("joint_states")
    absolute = Contract(parse(data, ContractSpec, "left.yaml"), "left")
    store = DemonstrationStore(tmp_path)
    recording = store.stage("one", suite.task("push"), absolute)
    for topic in (*absolute.topics, absolute.command):
        recording.add_topic(topic.name, topic.type, schema_text(topic.type))
    for topic, stamp, raw in draw(20).messages():
        recording.write("left/joint_states" if topic == "joint_states" else topic, stamp, stamp, raw)
    recording.finish(Outcome.SUCCESS)
    kept = store.load("one", absolute, suite)
    read_back = DemonstrationStore(tmp_path).load("one", absolute, suite)
    assert read_back.num_steps == 20 and read_back.actions.tobytes() == kept.actions.tobytes()


def test_a_failure_is_not_learned_from_even_where_it_is_named(record, store, contract, suite, draw):
    record("good", draw(11)).finish(Outcome.SUCCESS)
    record("bad", draw(11)).finish(Outcome.FAILURE)
    assert store.load_usable("good", contract, suite).num_steps == 11
    with pytest.raises(DataError, match="demonstration 'bad' failed"):
        store.load_usable("bad", contract, suite)


POINT = SuiteInterface("point", ObservationLayout.of_vector("xyz"), ("dx", "dy"), 20.0)


def simulated(id_, outcome=Outcome.SUCCESS):
    rng = np.random.default_rng(0)
    arrays = vectors(rng.normal(size=(7, 3))), rng.normal(size=(7, 2)), np.arange(7) * 50_000_000
    return Demonstration(id_, "push", *arrays, outcome=outcome)


def test_simulated_and_recorded_ones_are_listed_together_in_the_order_of_recording(store, record, draw):
    store.save(simulated("b"), POINT)
    record("a", draw(5)).finish(Outcome.SUCCESS)
    store.save(simulated("c", Outcome.FAILURE), POINT)
    for reader in (store, DemonstrationStore(store.root)):
        assert [info.id for info in reader.infos()] == ["b", "a", "c"]
        assert [usable for _, usable in reader.attempts()["push"]] == [True, True, False]


def test_an_id_is_taken_once_whoever_made_it(store, contract, suite, record, draw):
    record("d1", draw()).finish(Outcome.SUCCESS)
    store.save(simulated("d2"), POINT)
    for id_ in ("d1", "d2"):
        with pytest.raises(DataError, match="exists already"):
            store.save(simulated(id_), POINT)
        with pytest.raises(DataError, match="exists already"):
            store.stage(id_, suite.task("push"), contract)


def test_an_id_that_was_taken_while_it_was_recorded_is_refused(store, record, draw):
    recording = record("d1", draw())
    store.save(simulated("d1"), POINT)
    with pytest.raises(DataError, match="exists already"):
        recording.finish(Outcome.SUCCESS)
    assert [info.uri.rpartition("/")[2] for info in store.infos()] == ["d1.safetensors"]


def test_two_files_of_one_id_count_once_and_the_doctor_names_the_other(store, record, draw):
    store.save(simulated("d1"), POINT)
    aside = (store.root / "d1.safetensors").rename(store.root / "aside")
    record("d1", draw(5)).finish(Outcome.SUCCESS)
    aside.rename(store.root / "d1.safetensors")
    assert [info.num_steps for info in store.infos()] == [5] and len(store.attempts()["push"]) == 1
    (finding,) = examine(store)
    assert "has the id of d1.mcap" in finding.problem and "--trash d1.safetensors" in finding.remedy


def test_a_recording_is_of_no_use_to_a_suite_with_its_own_simulator(store, record, draw):
    record("d1", draw()).finish(Outcome.SUCCESS)
    with pytest.raises(DataError, match="'d1' does not fit: it was recorded from a robot, and suite 'point'"):
        store.all_usable(POINT)


def test_a_format_that_is_added_is_listed_read_thrown_away_and_brought_back(store, monkeypatch):
    class Imported(ArrayFormat):
        suffix = ".imported"

    monkeypatch.setattr(folder, "FORMATS", (*folder.FORMATS, Imported()))
    Imported().write(store.root / "d1.imported", simulated("d1"), POINT, recorded_ns=1)
    store.save(simulated("d2"), POINT)
    assert [info.id for info in store.infos()] == ["d1", "d2"]
    assert store.load("d1", POINT).actions.tobytes() == simulated("d1").actions.tobytes()
    store.trash("d1")
    assert store.ids() == ["d2"] and [usable for _, usable in store.attempts()["push"]] == [True, False]
    assert store.restore("d1").uri.endswith("d1.imported")
