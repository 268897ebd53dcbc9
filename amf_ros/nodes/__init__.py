"""The ROS nodes, one per module: convert, delegate, report. What they do lives in the rooms below.

robot            the only writer to the arm        teleop           shows tasks: a scripted expert
demo_recorder    records demonstrations            fine_tuner       learns from them
policy_executor  runs the policy on the arm        task_selector    says which task comes next
session          runs Algorithm 1 over the others
mock_arm         the other side of robot:=mock, for rehearsals without an arm

python -m amf_ros.nodes.robot --ros-args -p real_time_factor:=0.0
"""

import signal
import sys
from pathlib import Path

# A node that is stopped while it still imports ends without a traceback; afterwards runtime.py decides.
if sys.argv[:1] == ["-m"] or (sys.argv and Path(sys.argv[0]).parent.name == "amf_ros"):
    signal.signal(signal.SIGINT, signal.SIG_DFL)
