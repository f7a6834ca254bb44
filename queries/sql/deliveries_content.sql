-- What was kept of one delivery, as it came.
SELECT content FROM payloads WHERE delivery = $delivery
