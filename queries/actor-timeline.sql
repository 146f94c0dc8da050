-- Timeline: everything an actor did
--
-- What did this account do, one thing after another? Events of the same kind that follow each other directly
-- and come from the same country with the same key are one row, with their number: nothing is left out.
--
-- param actor  text     required  the actor's id
-- param from   date     today-29  first day (UTC)
-- param to     date     today     last day (UTC)
--
-- column started_at       first event of the run
-- column ended_at         last event of the run
-- column events           how many there were
-- column action           what was done
-- column outcome          how it ended
-- column country          from where
-- column addresses        how many different IP addresses
-- column ip_address       one of them
-- column credential_id    the key used, if it was not the person
-- column first_target     what it was done to; of a run, the first
WITH ordered AS (
    SELECT
        id, occurred_at, action, outcome, ip_address, country, credential_id,
        COALESCE(target_name, target_id) AS target,
        ROW_NUMBER() OVER (ORDER BY occurred_at, id)
            - ROW_NUMBER() OVER (PARTITION BY action, outcome, country, credential_id ORDER BY occurred_at, id)
            AS run
    FROM events
    WHERE actor_id = $actor AND day BETWEEN $from AND $to
)
SELECT
    MIN(occurred_at) AS started_at, MAX(occurred_at) AS ended_at, COUNT(*) AS events, action, outcome,
    country, COUNT(DISTINCT ip_address) AS addresses, MIN(ip_address) AS ip_address, credential_id,
    FIRST_VALUE(target ORDER BY occurred_at, id) AS first_target
FROM ordered
GROUP BY action, outcome, country, credential_id, run
ORDER BY started_at, action
