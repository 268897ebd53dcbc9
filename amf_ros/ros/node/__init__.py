"""What every node is made of: the guarded node, its executor, its goals and callback groups."""
