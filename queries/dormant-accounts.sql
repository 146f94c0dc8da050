-- Dormant accounts: awake after a long silence
--
-- Which account came back that nobody missed? Each row is a day on which an account did something again after at
-- least `silence` days without anything. Attempts that failed wake nobody: what counts is what succeeded. The days
-- asked for must reach back further than the silence.
--
-- param from     date     today-179  first day (UTC)
-- param to       date     today      last day (UTC)
-- param actor    text     optional   only this actor, by id
-- param silence  integer  30         days without an event, at least
--
-- column tenant_id      whose account
-- column actor_id       the account
-- column actor_name     its owner
-- column silent_since   its last day before
-- column silent_days    days without an event
-- column awoke_at       the first event afterwards
-- column first_action   what it was
-- column ip_address     from where it came
-- column country        the same, by country
-- column credential_id  the key used, if any
-- column events         events on the day of awakening
WITH daily AS (
    SELECT
        tenant_id, actor_id, day, MAX(actor_name) AS actor_name, MIN(occurred_at) AS awoke_at,
        FIRST_VALUE(action ORDER BY occurred_at, id) AS first_action,
        FIRST_VALUE(ip_address ORDER BY occurred_at, id) AS ip_address,
        FIRST_VALUE(country ORDER BY occurred_at, id) AS country,
        FIRST_VALUE(credential_id ORDER BY occurred_at, id) AS credential_id,
        COUNT(*) AS events
    FROM events
    WHERE day BETWEEN $from AND $to
        AND ($actor IS NULL OR actor_id = $actor) AND outcome = 'success'
    GROUP BY tenant_id, actor_id, day
),
compared AS (
    SELECT *, LAG(day) OVER (PARTITION BY tenant_id, actor_id ORDER BY day) AS silent_since
    FROM daily
)
SELECT
    tenant_id, actor_id, actor_name, silent_since,
    CAST(day AS INT) - CAST(silent_since AS INT) - 1 AS silent_days,
    awoke_at, first_action, ip_address, country, credential_id, events
FROM compared
WHERE CAST(day AS INT) - CAST(silent_since AS INT) - 1 >= $silence
ORDER BY silent_days DESC, awoke_at, tenant_id, actor_id
