-- Refused deliveries and entries of reports, newest first.
SELECT delivery, source, name, reason, size, loaded_at, sender, subject
FROM deliveries WHERE outcome = 'refused'
ORDER BY loaded_at DESC, delivery DESC
