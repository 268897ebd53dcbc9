"""Calling the graph: the one way for commands, the session and other programs.

calls.py         calls of services and actions that wait for the answer, with deadlines
graph_client.py  the same from a plain program, with a node of its own
goal.py          one goal while somebody waits for its result, and sending it again
waiting.py       who spins the executor while a caller waits
answers.py       what answers mean, and whether a node still lives
ready.py         which servers and nodes are there
"""
