"""Read reports, JSON after JSON on standard input, into a table of a new DuckDB file: `duckdb_only.py FILE`.

What somebody who knows DuckDB would do without us: nothing is checked, told apart or kept for later, and
one broken file ends it.
"""

from __future__ import annotations

import sys

import duckdb

COLUMNS = {
    "organization-name": "VARCHAR",
    "date-range": 'STRUCT("start-datetime" TIMESTAMP, "end-datetime" TIMESTAMP)',
    "contact-info": "VARCHAR",
    "report-id": "VARCHAR",
    "policies": """STRUCT(
        "policy" STRUCT(
            "policy-type" VARCHAR, "policy-string" VARCHAR[], "policy-domain" VARCHAR, "mx-host" VARCHAR[]),
        "summary" STRUCT("total-successful-session-count" BIGINT, "total-failure-session-count" BIGINT),
        "failure-details" STRUCT(
            "result-type" VARCHAR, "sending-mta-ip" VARCHAR, "receiving-ip" VARCHAR,
            "receiving-mx-hostname" VARCHAR, "receiving-mx-helo" VARCHAR, "failed-session-count" BIGINT,
            "additional-information" VARCHAR, "failure-reason-code" VARCHAR)[])[]""",
}

connection = duckdb.connect(sys.argv[1])
connection.execute(
    """CREATE TABLE reports AS
    SELECT * FROM read_json('/dev/stdin', format = 'unstructured', columns = $columns)""",
    {"columns": COLUMNS},
)
print(connection.execute("SELECT count(*) FROM reports").fetchall()[0][0])
connection.close()
