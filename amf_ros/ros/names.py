"""Every topic, service and action name, once. Relative: the node's namespace and remaps apply.

Streams that the contract names (``joint_states``, ``command``, ...) are not here: the contract has them.
"""

import time

from amf_ros.store.files import file_part

CLOCK = "/clock"

RESET_SCENE = "robot/reset_scene"
STOP = "robot/stop"
RELEASE_STOP = "robot/release_stop"
STOP_TOPIC = "stop"
STOP_ASKED = "robot/stop_asked"
SCENE_WANTED = "robot/scene_wanted"
SCENE_READY = "robot/scene_ready"
ROBOT_STATUS = "robot/status"
ROBOT_CLAIM = "robot/claim"
CAMERA = "camera/image_raw"

NEXT_TASK = "task_selector/next_task"
GET_TASKS = "task_selector/get_tasks"
SELECTOR_PARAMETERS = "task_selector/get_parameters"
SCORES = "task_selector/scores"

RECORD_DEMONSTRATION = "demo_recorder/record_demonstration"
FINISH_RECORDING = "demo_recorder/finish_recording"
RECORDER_STATE = "demo_recorder/state"
RECORDER_STREAMS = "demo_recorder/streams"

FINE_TUNE = "fine_tuner/fine_tune"

LOAD_CHECKPOINT = "policy_executor/load_checkpoint"
EXECUTE_POLICY = "policy_executor/execute_policy"

RUN_SESSION = "session/run_session"
SESSION_STATE = "session/state"

BASE_FRAME = "base_link"


def fresh_id(task_id: str) -> str:
    """Make an id for a recording or roll-out that nobody named; in milliseconds: episodes can be short."""
    now_ns = time.time_ns()
    clock = time.strftime("%Y%m%d_%H%M%S", time.localtime(now_ns // 1_000_000_000))
    return f"{clock}_{now_ns // 1_000_000 % 1000:03d}_{file_part(task_id)}"
