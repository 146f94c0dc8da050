-- New locations: addresses and countries that an actor never came from before
--
-- Does somebody else use this account? Each row is an address that an account succeeded from for the first time
-- since `since`, with whether its country is new too. What is old is what was seen from `from` on; accounts without
-- such a past are left out, and so are attempts that failed: those are not the account's owner. Where events have no
-- country, as CloudTrail's have not, only addresses can be new.
--
-- param actor           text       optional  only this actor, by id
-- param from            date       today-89  first day of what counts as the past (UTC)
-- param since           timestamp  today-6   what is seen first after this moment is new
-- param to              date       today     last day (UTC)
-- param countries_only  boolean    false     only where the country is new as well
--
-- column tenant_id      whose account
-- column actor_id       the account
-- column actor_name     its owner
-- column ip_address     the new address
-- column country        its country
-- column new_country    whether the country is new too
-- column first_seen_at  the first event from there
-- column last_seen_at   the last event from there
-- column events         how many there were
-- column known_since    the account's first event of all
WITH places AS (
    SELECT
        tenant_id, actor_id, MAX(actor_name) AS actor_name, country, ip_address,
        MIN(occurred_at) AS first_seen_at, MAX(occurred_at) AS last_seen_at, COUNT(*) AS events
    FROM events
    WHERE day BETWEEN $from AND $to
        AND ($actor IS NULL OR actor_id = $actor)
        AND outcome = 'success' AND ip_address IS NOT NULL
    GROUP BY tenant_id, actor_id, country, ip_address
),
compared AS (
    SELECT
        *,
        MIN(first_seen_at) OVER (PARTITION BY tenant_id, actor_id) AS known_since,
        MIN(first_seen_at) OVER (PARTITION BY tenant_id, actor_id, ip_address) AS address_since,
        MIN(first_seen_at) OVER (PARTITION BY tenant_id, actor_id, country) AS country_since
    FROM places
)
SELECT
    tenant_id, actor_id, actor_name, ip_address, country,
    country IS NOT NULL AND country_since >= $since AS new_country,
    first_seen_at, last_seen_at, events, known_since
FROM compared
WHERE known_since < $since AND address_since >= $since
    AND (NOT $countries_only OR (country IS NOT NULL AND country_since >= $since))
ORDER BY new_country DESC, first_seen_at, tenant_id, actor_id, ip_address
