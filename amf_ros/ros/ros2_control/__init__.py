"""The arm that ros2_control drives, by its robot file: states in, commands out, and whether it may move."""
