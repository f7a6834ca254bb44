"""What SMTP TLS reporting is: reports, records, policies, and the store that keeps them."""
