"""amf_ros: active multi-task fine-tuning of robot policies on ROS 2.

Imports go down only (``test/core/test_layering.py``)::

    types errors registry graph  <-  config contract  <-  tasks policies selection data robots
        <-  training  <-  session  <-  report  <-  sweep  <-  ros  <-  nodes cli

Only ``ros``, ``nodes`` and ``cli`` know ROS; all the rest runs and is tested without it.
"""

__version__ = "0.1.0"
