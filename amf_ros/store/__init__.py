"""What a run keeps on disk: demonstrations as MCAP files, roll-outs, and where everything is.

A demonstration is one file, staged, flushed to the disk and renamed: it exists whole or not at all. It
holds the raw messages; arrays are made from it by the contract, with the code that serves live.
Imports types, errors, paths, config and contract only; never rclpy, tasks, policies or robots.

    store = DemonstrationStore(RunDirectory(path).demonstrations)
    demonstrations = store.all_usable(contract, suite)

files           whole-or-nothing writes          schemas         .msg files -> schema text
messages        decoded messages -> values       replay          streams + contract -> arrays
reading         MCAP file -> raw contents        metadata        what a recording says of itself
recording       one demonstration being written  recovery        files that a dead process left
demonstrations  the store                        doctor          what is wrong with a store
rollouts        visited states of episodes       run_directory   the folders of one run
trash           moves that can be undone
"""
