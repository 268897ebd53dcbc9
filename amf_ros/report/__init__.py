"""The report of a session: what was chosen and why, what it cost, and whether it helped.

    facts     the values a report shows;  gather: read from the session's journal
    gain_map  the picture of what a demonstration of each task teaches each target
    charts    those values -> SVG that follows the page's colours (matplotlib)
    film      one evaluated episode, before and after, replayed in the simulator -> animated WebP
    page      facts + charts + film -> one self-contained HTML file (jinja2)

May import session and what lies below; knows no ROS::

    facts = gather(Path("runs/demo"))
    write_page(facts, Path("runs/demo/report.html"), film=None)
"""
