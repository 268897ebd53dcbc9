"""The ROS nodes, one per module: convert, delegate, report. What they do lives in the rooms below.

python -m amf_ros.nodes.robot --ros-args -p real_time_factor:=0.0
"""
