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

    # Signatures of a mail.
    signatures: int = 5  # a mail; each may be a question to DNS
    signature_size: int = 4 << 10  # one DKIM-Signature, folded
    key_size: int = 4 << 10  # the record of a key
    comment_depth: int = 8  # comments in comments: From, Authentication-Results

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


class LiveLimits(NamedTuple):
    """What looking at one domain may cost, whatever the other side does. Times are by the wall clock."""

    checks_at_once: int = 4  # domains
    connections_at_once: int = 8  # of one domain, to different addresses
    mx_hosts: int = 20  # a domain; the rest are counted
    addresses: int = 4  # a host; the rest are counted
    tries: int = 3  # of each address, which have to agree
    connection_seconds: float = 20.0  # one SMTP connection, from connecting to QUIT
    fetch_seconds: float = 60.0  # one fetch of the policy (RFC 8461 section 3.3)
    goodbye_seconds: float = 2.0  # for the answer to QUIT
    dns_query_seconds: float = 2.0  # one question to one server
    dns_seconds: float = 5.0  # one question in all
    cached_seconds: float = 300.0  # how long a check is not repeated
    policy_size: int = 64 << 10  # bytes of a policy file (RFC 8461 section 3.3)
    policy_head: int = 16 << 10  # bytes of the header fields of its answer
    smtp_line: int = 1_024  # bytes
    smtp_lines: int = 64  # an answer
    key_lookups: int = 500  # of DKIM keys, a run
    unanswered: int = 3  # of those in a row, before it is asked whether anybody is there
    txt_strings: int = 10  # a TXT record
    txt_size: int = 4 << 10  # bytes of one TXT record, joined
    txt_records: int = 64  # a name


LIVE_LIMITS = LiveLimits()


class MailboxLimits(NamedTuple):
    """What reading a mailbox may cost, whatever its server does. Times are seconds by the wall clock, sizes bytes."""

    connect_seconds: float = 15.0  # name, address and TLS; and once more for the greeting
    read_seconds: float = 60.0  # without a byte from the server; from the first to the last of a line in IDLE
    operation_seconds: float = 120.0  # one command and its answer
    operation_size: int = 64 << 20  # of an answer
    literal_size: int = LIMITS.message_size + (64 << 10)  # a string whose size the server announces
    text_size: int = 4 << 20  # of an answer outside literals, which is taken apart word by word
    line_size: int = 1_000_000
    lines: int = 20_000  # an answer
    idle_size: int = 64 << 10  # what a server may tell before it is asked again
    idle_seconds: float = 540.0  # how long it is let tell; servers and NAT forget who is silent for longer
    beginning_size: int = 2 << 10  # of the text of a message, to see what it may be

    messages_per_run: int = 5_000  # fetched; the rest waits for the next run
    run_seconds: float = 1_800.0
    sizes_at_once: int = 500  # messages described by one command
    bodies_at_once: int = 50  # messages fetched by one command
    bodies_size: int = 32 << 20  # of these together, as announced
    reconnects: int = 5  # in a row
    pause_seconds: float = 1.0  # before the second try to connect; twice as long before each further one
    poll_seconds: float = 60.0  # between questions for news to a server that does not tell by itself
    watch_seconds: float = 540.0  # after which all folders are looked at, news or not
    lasting_seconds: float = 900.0  # before another try at what an operator has to mend
    unknown_per_day: int = 1_000  # reports stored
    unknown_per_domain: int = 100  # likewise, a policy domain


MAILBOX_LIMITS = MailboxLimits()
