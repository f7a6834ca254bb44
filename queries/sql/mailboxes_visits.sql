-- The newest visit to each folder of each mailbox, and how many messages were refused in all of them.
WITH numbered AS (
  SELECT *, row_number() OVER (PARTITION BY mailbox, folder ORDER BY began_at DESC, seconds DESC) AS place,
    sum(reports) OVER (PARTITION BY mailbox, folder) AS all_reports,
    sum(refused) OVER (PARTITION BY mailbox, folder) AS all_refused
  FROM fetches
)
SELECT mailbox, folder, began_at, seconds, messages, reports, duplicates, refused, skipped, waiting, problem,
  all_reports, all_refused
FROM numbered WHERE place = 1 ORDER BY mailbox, folder
