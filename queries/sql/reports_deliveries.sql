-- How one report came, the first delivery first.
SELECT source, name, outcome, loaded_at, received_at, sender, message_id, authentication, authentication_reason, signer, address
FROM deliveries WHERE report = $report AND outcome IN ('loaded', 'duplicate') ORDER BY delivery
