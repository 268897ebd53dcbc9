"""Starting and ending the graph's processes: which nodes, supervision, lifelines, shared memory."""
