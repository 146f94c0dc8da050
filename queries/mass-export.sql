-- Mass export: days on which an actor took far more than usual
--
-- Who carried data away? Each row is an account and a day on which it downloaded or exported at least
-- `factor` times as much as on its other days with any, and at least `least` things. The default of `actions` fits
-- `document.download` and CloudTrail's `s3.GetObject` and reads of secrets alike.
--
-- param from     date     today-29  first day (UTC), also of what is usual
-- param to       date     today     last day (UTC)
-- param actor    text     optional  only this actor, by id
-- param least    integer  50        downloads and exports on that day, at least
-- param factor   number   5         times the account's usual number, at least
-- param actions  pattern  \.(download|export|getobject|getsecretvalue|getparameters?)$  what takes data
--
-- column tenant_id    whose data
-- column day          when
-- column actor_id     the account
-- column actor_name   its owner
-- column taken        downloads and exports on that day
-- column things       different things among them
-- column usual        mean of the account's other days with any
-- column times        how many times the usual
WITH daily AS (
    SELECT
        tenant_id, day, actor_id, MAX(actor_name) AS actor_name,
        COUNT(*) AS taken, COUNT(DISTINCT target_id) AS things
    FROM events
    WHERE day BETWEEN $from AND $to
        AND ($actor IS NULL OR actor_id = $actor)
        AND action ~* $actions AND outcome = 'success'
    GROUP BY tenant_id, day, actor_id
),
compared AS (
    SELECT
        *,
        CAST(SUM(taken) OVER account - taken AS DOUBLE)
            / GREATEST(COUNT(*) OVER account - 1, 1) AS usual
    FROM daily
    WINDOW account AS (PARTITION BY tenant_id, actor_id)
)
SELECT
    tenant_id, day, actor_id, actor_name, taken, things,
    ROUND(usual, 1) AS usual, ROUND(taken / GREATEST(usual, 1.0), 1) AS times
FROM compared
WHERE taken >= $least AND taken >= $factor * usual
ORDER BY times DESC, taken DESC, day, tenant_id, actor_id
