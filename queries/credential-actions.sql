-- Credential: everything that was done with one key
--
-- What can somebody have done who has this key? Each row is a kind of action, by who did it and from which address,
-- in the order of their first events.
--
-- param credential  text  required  the key's id
-- param from        date  today-89  first day (UTC)
-- param to          date  today     last day (UTC)
--
-- column tenant_id     whose log
-- column first_at      first event
-- column last_at       last event
-- column events        how many there were
-- column action        what was done
-- column outcome       how it ended
-- column things        different things it was done to
-- column actor_id      who did it
-- column actor_name    the same, by name
-- column ip_address    from where
-- column country       the same, by country
-- column user_agent    with which program; one of them
SELECT
    tenant_id, MIN(occurred_at) AS first_at, MAX(occurred_at) AS last_at, COUNT(*) AS events, action, outcome,
    COUNT(DISTINCT target_id) AS things, actor_id, MAX(actor_name) AS actor_name, ip_address, country,
    MAX(user_agent) AS user_agent
FROM events
WHERE day BETWEEN $from AND $to AND credential_id = $credential
GROUP BY tenant_id, action, outcome, actor_id, ip_address, country
ORDER BY first_at, tenant_id, action, outcome
