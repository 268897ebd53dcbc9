"""Many runs and what they say together: jobs over cores or a cluster, paired statistics, plots, tables.

    jobs.py        run jobs that are plain data, each once; what is done stays done
    result_files.py  their results, kept; fingerprint.py: what each was made with
    cluster.py     the same jobs on a Ray cluster
    statistics.py  curves paired by seed, with bootstrap intervals
    plots.py       pictures of them; tables.py: text and markdown
    publish.py     all of that as files; rows.py: the raw rows, from which all is computed again
    pace.py        tasks whose demonstrations take longer than others'
    sessions.py    one job = one in-process session of one strategy
    script.py      the options and the ending that benchmark scripts share

Imports session, report and everything below; never ROS.
"""
