-- Heat: activity by hour and weekday
--
-- When is it busy, and when should it be quiet? Always 24 rows, one for each hour of the day; for one actor, or for
-- everyone. `utc_offset` moves the clock, so that hours and weekdays are those of the place where people work.
--
-- param from        date     today-27  first day (UTC); whole weeks make the weekdays comparable
-- param to          date     today     last day (UTC)
-- param actor       text     optional  only this actor, by id
-- param actions     pattern  .*        only actions that match, such as login|export
-- param utc_offset  number   0         hours that the local clock is ahead of UTC
--
-- column hour       the hour that begins then, by the local clock
-- column monday     events in that hour on Mondays
-- column tuesday    on Tuesdays
-- column wednesday  on Wednesdays
-- column thursday   on Thursdays
-- column friday     on Fridays
-- column saturday   on Saturdays
-- column sunday     on Sundays
-- column events     on all days
-- column actors     different actors in that hour, on all days
WITH clocked AS (
    SELECT
        tenant_id || '/' || actor_id AS who,
        EXTRACT(EPOCH FROM occurred_at) + $utc_offset * 3600.0 AS local_seconds
    FROM events
    WHERE day BETWEEN $from AND $to
        AND ($actor IS NULL OR actor_id = $actor)
        AND action ~* $actions
),
placed AS (
    SELECT
        who, CAST(FLOOR(local_seconds / 3600.0) AS BIGINT) % 24 AS hour,
        -- 1970-01-01 was a Thursday; Monday is 0.
        (CAST(FLOOR(local_seconds / 86400.0) AS BIGINT) + 3) % 7 AS weekday
    FROM clocked
),
counted AS (
    SELECT
        hour,
        COUNT(CASE WHEN weekday = 0 THEN 1 END) AS monday,
        COUNT(CASE WHEN weekday = 1 THEN 1 END) AS tuesday,
        COUNT(CASE WHEN weekday = 2 THEN 1 END) AS wednesday,
        COUNT(CASE WHEN weekday = 3 THEN 1 END) AS thursday,
        COUNT(CASE WHEN weekday = 4 THEN 1 END) AS friday,
        COUNT(CASE WHEN weekday = 5 THEN 1 END) AS saturday,
        COUNT(CASE WHEN weekday = 6 THEN 1 END) AS sunday,
        COUNT(*) AS events, COUNT(DISTINCT who) AS actors
    FROM placed
    GROUP BY hour
),
hours (hour) AS (
    VALUES (0), (1), (2), (3), (4), (5), (6), (7), (8), (9), (10), (11),
        (12), (13), (14), (15), (16), (17), (18), (19), (20), (21), (22), (23)
)
SELECT
    hours.hour, COALESCE(monday, 0) AS monday, COALESCE(tuesday, 0) AS tuesday,
    COALESCE(wednesday, 0) AS wednesday, COALESCE(thursday, 0) AS thursday, COALESCE(friday, 0) AS friday,
    COALESCE(saturday, 0) AS saturday, COALESCE(sunday, 0) AS sunday, COALESCE(events, 0) AS events,
    COALESCE(actors, 0) AS actors
FROM hours
LEFT JOIN counted ON counted.hour = hours.hour
ORDER BY hours.hour
