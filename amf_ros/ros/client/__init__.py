"""Calling the graph: from programs and from worker threads, with deadlines, and what answers mean."""
