"""An arm with ros2_control that is computed: what its controllers do with messages, and what can go wrong.

    trajectory_controller.py   what joint_trajectory_controller was seen to do with messages
    mock_joints.py             the joints behind it: lag, noise, what is measured of them, faults

No ROS: ``nodes/mock_arm.py`` speaks for it. Imports core and arm only.
"""
