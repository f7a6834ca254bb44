"""The screens: domains, failures, one failure, reports and one of them, refused, and help."""
