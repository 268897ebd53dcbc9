"""``python -m amf_ros.cli``: the ``amf`` command without an installed script."""

from amf_ros.cli import main

main()
