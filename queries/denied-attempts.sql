-- Denied: what actors tried and were not allowed to
--
-- Who rattles at doors? Each row is an account and an action that was refused to it; the most frequent come first.
-- What failed for other reasons counts as well with outcomes=denied,failure.
--
-- param from      date     today-29  first day (UTC)
-- param to        date     today     last day (UTC)
-- param actor     text     optional  only this actor, by id
-- param outcomes  list     denied    outcomes that count as refused
-- param least     integer  1         attempts at the action, at least
--
-- column tenant_id    whose log
-- column actor_id     who tried
-- column actor_name   the same, by name
-- column action       what was tried
-- column attempts     how often
-- column things       different things it was tried on
-- column addresses    different addresses it was tried from
-- column first_at     the first attempt
-- column last_at      the last attempt
-- column last_reason  the reason given for the last refusal
-- column last_target  what the last attempt was on, by id
SELECT
    tenant_id, actor_id, MAX(actor_name) AS actor_name, action, COUNT(*) AS attempts,
    COUNT(DISTINCT target_id) AS things, COUNT(DISTINCT ip_address) AS addresses,
    MIN(occurred_at) AS first_at, MAX(occurred_at) AS last_at,
    LAST_VALUE(outcome_reason ORDER BY occurred_at, id) AS last_reason,
    LAST_VALUE(target_id ORDER BY occurred_at, id) AS last_target
FROM events
WHERE day BETWEEN $from AND $to
    AND ($actor IS NULL OR actor_id = $actor)
    AND array_has($outcomes, outcome)
GROUP BY tenant_id, actor_id, action
HAVING COUNT(*) >= $least
ORDER BY attempts DESC, first_at, tenant_id, actor_id, action
