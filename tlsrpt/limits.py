"""Every bound on input, in one place.

Bounds hold for single messages, attachments and archive members. How many messages an archive, an mbox or
a Maildir given by the operator may have is not bounded: they are streamed, one member at a time.
"""

from __future__ import annotations

from typing import NamedTuple


class Limits(NamedTuple):
    """What one delivery may cost. Sizes are bytes unless a field says otherwise."""

    # A message, a file or an archive member as it arrives.
    message_size: int = 16 << 20
    # What one compressed report may grow to, and all of one message together.
    document_size: int = 10 << 20
    documents_size: int = 20 << 20

    # Mail, looked at as raw bytes before any mail parser sees it.
    header_block: int = 256 << 10
    header_count: int = 500
    header_size: int = 8 << 10  # one header that we read
    content_header_size: int = 4 << 10  # Content-Type, Content-Disposition; parsing them is quadratic
    boundary_lines: int = 410
    part_count: int = 200
    multipart_depth: int = 20
    multipart_mentions: int = 50  # "multipart/" and "message/" in the raw bytes
    report_parts: int = 10  # report attachments a message

    # Containers.
    nesting: int = 3  # gzip in gzip, zip in gzip, mail in mail
    gzip_members: int = 8
    zip_directory: int = 64 << 10
    zip_entries: int = 16  # of a zip inside a mail; an operator's own archive may have any number
    tar_members: int = 100_000  # likewise inside a mail

    # A report.
    reports: int = 1_000  # a document
    refused_entries: int = 100  # a report, kept by themselves
    policies: int = 1_000
    failure_details: int = 10_000  # a policy
    failure_details_total: int = 50_000  # a report
    policy_string_lines: int = 200
    mx_hosts: int = 100
    name_length: int = 256  # characters: names and ids
    uri_length: int = 2_048  # characters
    text_length: int = 4_096  # characters: reason codes, policy lines
    session_count: int = (1 << 53) - 1  # exact in every JSON reader and in sums
    odd_session_count: int = 10**12  # kept, but worth a mark
    defects: int = 100  # a report; the rest are counted in one last line


LIMITS = Limits()
