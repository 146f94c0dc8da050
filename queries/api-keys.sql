-- API keys: made, and used
--
-- Did somebody leave a key behind to come back with? Each row is a key made within the days asked for, with who
-- made it and what use was made of it; `everything` adds the keys that were used and are older. The key is the
-- event's first target if its type speaks of a key, else the last one, as with CloudTrail's `iam.CreateAccessKey`.
--
-- param from        date     today-29                            first day (UTC)
-- param to          date     today                               last day (UTC)
-- param credential  text     optional                            only this key, by id
-- param actions     list     api_key.create,iam.CreateAccessKey  actions that make a key
-- param everything  boolean  false                               also keys used that were made before
--
-- column tenant_id        whose key
-- column credential_id    the key
-- column made_at          when it was made
-- column made_by          who made it
-- column made_by_name     the same, by name
-- column made_from        from which address
-- column made_in          in which session
-- column uses             events done with it
-- column users            different actors among them
-- column actions          different actions among them
-- column addresses        different addresses among them
-- column first_used_at    the first of them
-- column last_used_at     the last of them
WITH made AS (
    SELECT
        tenant_id, occurred_at, actor_id, actor_name, ip_address, session_id,
        CASE WHEN target_type ILIKE '%key%' THEN target_id ELSE array_element(target_ids, -1) END AS key_id
    FROM events
    WHERE day BETWEEN $from AND $to
        AND array_has($actions, action) AND outcome = 'success'
        AND ($credential IS NULL OR array_has(target_ids, $credential))
),
used AS (
    SELECT
        tenant_id, credential_id, COUNT(*) AS uses, COUNT(DISTINCT actor_id) AS users,
        COUNT(DISTINCT action) AS actions, COUNT(DISTINCT ip_address) AS addresses,
        MIN(occurred_at) AS first_used_at, MAX(occurred_at) AS last_used_at
    FROM events
    WHERE day BETWEEN $from AND $to
        AND credential_id IS NOT NULL AND ($credential IS NULL OR credential_id = $credential)
    GROUP BY tenant_id, credential_id
)
SELECT
    COALESCE(made.tenant_id, used.tenant_id) AS tenant_id,
    COALESCE(made.key_id, used.credential_id) AS credential_id,
    made.occurred_at AS made_at, made.actor_id AS made_by, made.actor_name AS made_by_name,
    made.ip_address AS made_from, made.session_id AS made_in, COALESCE(used.uses, 0) AS uses,
    COALESCE(used.users, 0) AS users, COALESCE(used.actions, 0) AS actions,
    COALESCE(used.addresses, 0) AS addresses, used.first_used_at, used.last_used_at
FROM made
FULL JOIN used ON made.tenant_id = used.tenant_id AND made.key_id = used.credential_id
WHERE $everything OR made.key_id IS NOT NULL
ORDER BY made_at NULLS LAST, uses DESC, tenant_id, credential_id
