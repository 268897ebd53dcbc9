"""Keeps what a session makes: demonstrations, roll-outs, and where everything is.

A demonstration is one file, staged, flushed to the disk and renamed: it exists whole or not at all.
Recordings hold the raw messages, and arrays are made from them by the contract, with the code that serves
live; simulated demonstrations are arrays. Both lie in one folder and are read through one store.
Imports core and contract only; never rclpy, arm, tasks or policies.

    store = DemonstrationStore(RunDirectory(path).demonstrations)
    demonstrations = store.all_usable(contract, suite)

run_directory   the folders of one session       demonstrations  the store of demonstrations
folder          which files are demonstrations   file_format     what a file format must be able to do
mcap_format     recordings: messages             array_format    simulated demonstrations: arrays
writing         writes one recording             reading         MCAP file -> raw contents
replay, steps   streams + contract -> arrays     metadata        what a demonstration says of itself
array_cache     arrays that were read already    discarded       trash and quarantine of the store
recovery        files that a dead process left   rollouts        the states that policies visited
doctor          what is wrong with a store       trash           moves in a session that can be undone
stream_values   recorded messages -> values      frame_format    frames as tensors of a file
files           whole-or-nothing writes          schemas         .msg files -> schema text
"""
