"""What the robot node is made of: its topics, its claim to be the only one, and stops that outlive it."""
