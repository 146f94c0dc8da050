-- First and last seen: an actor, an address, a session or a key
--
-- Since when is this known here, and who else has to do with it? Name at least one thing, or get every account. Each
-- row is an account with an event that matches all that is asked for: an address gives everyone who came from there.
--
-- param actor       text  optional   the actor's id
-- param ip_address  address  optional   the address
-- param session     text  optional   the session's id
-- param credential  text  optional   the key's id
-- param from        date  today-364  first day (UTC)
-- param to          date  today      last day (UTC)
--
-- column tenant_id      whose log
-- column actor_id       who
-- column actor_name     the same, by name
-- column first_seen_at  first event
-- column last_seen_at   last event
-- column events         how many there were
-- column days           on how many days
-- column failures       how many of them did not succeed
-- column addresses      different addresses
-- column countries      different countries
-- column first_action   the first action
-- column last_action    the last action
SELECT
    tenant_id, actor_id, MAX(actor_name) AS actor_name, MIN(occurred_at) AS first_seen_at,
    MAX(occurred_at) AS last_seen_at, COUNT(*) AS events, COUNT(DISTINCT day) AS days,
    COUNT(CASE WHEN outcome IN ('failure', 'denied') THEN 1 END) AS failures,
    COUNT(DISTINCT ip_address) AS addresses, COUNT(DISTINCT country) AS countries,
    FIRST_VALUE(action ORDER BY occurred_at, id) AS first_action,
    LAST_VALUE(action ORDER BY occurred_at, id) AS last_action
FROM events
WHERE day BETWEEN $from AND $to
    AND ($actor IS NULL OR actor_id = $actor)
    AND ($ip_address IS NULL OR ip_address = $ip_address)
    AND ($session IS NULL OR session_id = $session)
    AND ($credential IS NULL OR credential_id = $credential)
GROUP BY tenant_id, actor_id
ORDER BY first_seen_at, tenant_id, actor_id
