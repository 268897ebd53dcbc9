"""amf_ros: active multi-task fine-tuning of robot policies on ROS 2.

A room is a folder; its docstring says which file does what. Imports go down only, from the last line to the
first; rooms in braces never import one another (``test/core/test_layering.py``)::

    core                     values, errors, configuration, plugins by name, paths
    contract                 topics <-> observations and actions
    { arm                    what an arm offers, and the gate and the arbiter that stand before any arm
      tasks                  suites of tasks, and when a task is done
      policies               what acts: observations in, chunks of actions out
      selection              which task to demonstrate next: eq. 2 of the paper, and the strategies
      store }                files of demonstrations and roll-outs, whole or not at all
    { sim                    simulated arms, scenes, scripted experts
      mock }                 the other side of robot:=mock: controllers as ros2_control's, joints, faults
    { learning               cloning, checkpoints, fine-tuning
      rollout }              episodes with a policy or an expert
    knowledge                what a strategy is told
    session                  Algorithm 1: select, demonstrate, fine-tune, evaluate, again
    report                   the page that a session ends with
    sweep                    many sessions, and what they say together
    ros                      what the nodes share: ROS 2 and amf_msgs are known from here on
    { nodes                  the ROS nodes
      cli }                  the command ``amf``
"""

__version__ = "0.1.0"
