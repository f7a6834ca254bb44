"""Print what the failures in a store add up to, as JSON; `run.py` compares it with the manifest.

A process of its own: the kernel counts what the measuring process itself holds into the peak memory of the
processes it starts, so DuckDB must not be loaded there.
"""

from __future__ import annotations

import json
import sys

import duckdb

connection = duckdb.connect(sys.argv[1], read_only=True)
rows = connection.execute(
    "SELECT count(*), coalesce(sum(failed_session_count), 0)::BIGINT FROM failures WHERE NOT superseded"
).fetchall()
connection.close()
print(json.dumps(dict(zip(("failure_details", "failed_session_count"), rows[0], strict=True))))
