-- History: everything that happened to a resource
--
-- Who touched it, and what did they change? Every event with the resource among its targets, the oldest first.
--
-- param target   text     required  the resource's id, as one of the event's targets
-- param from     date     today-89  first day (UTC)
-- param to       date     today     last day (UTC)
-- param actions  pattern  .*        only actions that match, such as update|share
--
-- column occurred_at      when
-- column tenant_id        whose resource
-- column action           what was done
-- column outcome          how it ended
-- column actor_id         who did it
-- column actor_name       the same, by name
-- column on_behalf_of_id  for whom, if not for itself
-- column credential_id    the key used, if any
-- column ip_address       from where
-- column country          the same, by country
-- column changes          old and new values (JSON)
-- column session_id       in which session
-- column id               the event
SELECT
    occurred_at, tenant_id, action, outcome, actor_id, actor_name, on_behalf_of_id, credential_id, ip_address,
    country, changes, session_id, id
FROM events
WHERE day BETWEEN $from AND $to AND array_has(target_ids, $target) AND action ~* $actions
ORDER BY occurred_at, id
