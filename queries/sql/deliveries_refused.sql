-- Refused deliveries and entries of reports that have all of some words, newest first or otherwise, a page of them.
-- `matches` is how many there are.
WITH matched AS (
  SELECT * FROM deliveries
  WHERE outcome = 'refused'
    AND len(list_filter($words, lambda word: NOT contains(
      lower(concat_ws(chr(10), reason, source, name, sender, subject, CAST(loaded_at AS DATE))), word))) = 0
),
keyed AS (
  SELECT *,
    CASE $order WHEN 'size' THEN size WHEN 'loaded_at' THEN epoch_us(loaded_at) END AS number,
    lower(CASE $order WHEN 'reason' THEN reason WHEN 'source' THEN source WHEN 'name' THEN name
      WHEN 'sender' THEN sender END) AS word
  FROM matched
)
SELECT delivery, source, name, reason, size, loaded_at, sender, subject, (SELECT count(*) FROM matched) AS matches
FROM keyed
ORDER BY
  CASE WHEN $descending THEN number END DESC NULLS LAST, CASE WHEN NOT $descending THEN number END NULLS FIRST,
  CASE WHEN $descending THEN word END DESC NULLS LAST, CASE WHEN NOT $descending THEN word END NULLS FIRST,
  loaded_at DESC, delivery DESC
LIMIT $limit OFFSET $offset
