"""The enforce decision: evidence, criteria, verdict, whose fault, and the next step (RFC 8461).

`evidence` holds what is known about one domain at one moment, `criteria` what is asked, `live_criteria` and
`report_criteria` how each stands, `verdict` what it comes to, `planning` what to do next. All of it is plain
arithmetic over rows: nothing here asks a store or a network.
"""
