-- Night work: activity outside of working hours
--
-- Who was at work when nobody is? Each row is an account and a day on which it was active outside of working hours;
-- `usually` tells how much of the account's activity lies outside anyway, and the rarest comes first. Events are kept
-- in UTC and do not know where people work, so `utc_offset` says it: the hours, days and weekends below are those of
-- that place (5.5 for India, -8 for California in winter; there is no daylight saving time in it). Working hours that
-- pass midnight are fine: starts=22, ends=6.
--
-- param from         date     today-29                            first day (UTC)
-- param to           date     today                               last day (UTC)
-- param actor        text     optional                            only this actor, by id
-- param utc_offset   number   0                                   hours that the local clock is ahead of UTC
-- param starts       integer  7                                   working hours begin at this hour of the local day
-- param ends         integer  20                                  and end when this hour begins
-- param weekends     boolean  true                                Saturdays and Sundays lie outside
-- param actor_types  list     user,root,federated_user,role_session  who has working hours
-- param least        integer  5                                   events outside on that day, at least
--
-- column tenant_id    whose account
-- column actor_id     the account
-- column actor_name   its owner
-- column local_day    the day, by the local clock
-- column events       events outside of working hours
-- column actions      different actions among them
-- column addresses    different addresses among them
-- column countries    different countries among them
-- column started_at   the first of them (UTC)
-- column ended_at     the last of them (UTC)
-- column usually      percent of all the account's events of these days that lie outside
WITH clocked AS (
    SELECT
        tenant_id, actor_id, actor_name, action, ip_address, country, occurred_at,
        EXTRACT(EPOCH FROM occurred_at) + $utc_offset * 3600.0 AS local_seconds
    FROM events
    WHERE day BETWEEN $from AND $to
        AND ($actor IS NULL OR actor_id = $actor)
        AND array_has($actor_types, actor_type)
),
placed AS (
    SELECT
        *,
        CAST(FLOOR(local_seconds / 86400.0) AS INT) AS local_date,
        CAST(FLOOR(local_seconds / 3600.0) AS BIGINT) % 24 AS local_hour
    FROM clocked
),
judged AS (
    SELECT
        *,
        CASE
            -- 1970-01-01 was a Thursday.
            WHEN $weekends AND (local_date + 3) % 7 >= 5 THEN true
            WHEN $starts <= $ends THEN local_hour < $starts OR local_hour >= $ends
            ELSE local_hour < $starts AND local_hour >= $ends
        END AS outside
    FROM placed
),
daily AS (
    SELECT
        tenant_id, actor_id, MAX(actor_name) AS actor_name, local_date, outside, COUNT(*) AS events,
        COUNT(DISTINCT action) AS actions, COUNT(DISTINCT ip_address) AS addresses,
        COUNT(DISTINCT country) AS countries, MIN(occurred_at) AS started_at, MAX(occurred_at) AS ended_at
    FROM judged
    GROUP BY tenant_id, actor_id, local_date, outside
),
compared AS (
    SELECT
        *,
        100.0 * SUM(CASE WHEN outside THEN events ELSE 0 END) OVER account / SUM(events) OVER account AS usually
    FROM daily
    WINDOW account AS (PARTITION BY tenant_id, actor_id)
)
SELECT
    tenant_id, actor_id, actor_name, CAST(local_date AS DATE) AS local_day, events, actions, addresses, countries,
    started_at, ended_at, ROUND(usually, 1) AS usually
FROM compared
WHERE outside AND events >= $least
ORDER BY usually, events DESC, local_day, tenant_id, actor_id
