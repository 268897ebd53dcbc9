"""What the nodes share: the only rooms, with nodes and cli, that know rclpy and amf_msgs.

``names`` ``qos`` ``parameters`` ``conversions`` are the vocabulary; ``runtime`` runs a node until a signal;
``goals`` serves actions; ``inputs`` joins the contract's streams; ``robot_driver`` ``recorder`` are what the
nodes of that name do; ``calls`` and ``session_worker`` use the graph from outside, ``supervise`` runs it.
Imports go down only: ``ros`` may import everything but ``nodes`` and ``cli``.
"""
