-- Timeline: everything an actor did
--
-- What did this account do, one thing after another? Included is what it did on behalf of others, and what others
-- did on its behalf. Events of the same kind that follow each other directly and come from the same country with
-- the same key are one row, with their number: nothing is left out.
--
-- param actor  text       required  the actor's id
-- param from   date       today-29  first day (UTC)
-- param to     date       today     last day (UTC)
-- param since  timestamp  optional  first moment, for a closer look at a day
-- param until  timestamp  optional  last moment
--
-- column started_at       first event of the run
-- column ended_at         last event of the run
-- column events           how many there were
-- column action           what was done
-- column outcome          how it ended
-- column actor_id         who did it: the actor, or somebody on its behalf
-- column on_behalf_of_id  for whom, if not for itself
-- column country          from where
-- column addresses        how many different IP addresses
-- column ip_address       one of them
-- column credential_id    the key used, if it was not the person
-- column first_target     what it was done to; of a run, the first
-- column tenant_id        in whose log
WITH ordered AS (
    SELECT
        tenant_id, id, occurred_at, action, outcome, actor_id, on_behalf_of_id, ip_address, country,
        credential_id, COALESCE(target_name, target_id) AS target,
        ROW_NUMBER() OVER (PARTITION BY tenant_id ORDER BY occurred_at, id)
            - ROW_NUMBER() OVER (
                PARTITION BY tenant_id, action, outcome, actor_id, on_behalf_of_id, country, credential_id
                ORDER BY occurred_at, id
            ) AS run
    FROM events
    WHERE day BETWEEN $from AND $to
        AND (actor_id = $actor OR on_behalf_of_id = $actor)
        AND ($since IS NULL OR occurred_at >= $since)
        AND ($until IS NULL OR occurred_at <= $until)
)
SELECT
    MIN(occurred_at) AS started_at, MAX(occurred_at) AS ended_at, COUNT(*) AS events, action, outcome,
    actor_id, on_behalf_of_id, country, COUNT(DISTINCT ip_address) AS addresses,
    MIN(ip_address) AS ip_address, credential_id,
    FIRST_VALUE(target ORDER BY occurred_at, id) AS first_target, tenant_id
FROM ordered
GROUP BY tenant_id, action, outcome, actor_id, on_behalf_of_id, country, credential_id, run
ORDER BY started_at, tenant_id, action
