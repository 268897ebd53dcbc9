"""What the nodes share: the only rooms, with nodes and cli, that know rclpy and amf_msgs.

    names.py qos.py parameters.py settings.py conversions.py requests.py   the vocabulary of all nodes
    params_file.py   the file of all parameters with their defaults, written from settings.py
    node/          what every node is made of: the guard, the executor, goals
    client/        calls to the graph, with deadlines
    start/         which nodes there are, and starting, supervising and ending their processes
    ros2_control/  the arm behind robot:=ros2_control and robot:=mock
    robot/  recording/  selecting/   what the nodes robot, demo_recorder and task_selector are made of
    contract_streams.py  driving.py  session_worker.py   what several nodes use

May import everything but ``nodes`` and ``cli``.
"""
