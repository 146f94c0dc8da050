-- Deletion: who deleted this resource
--
-- Who took it away, with which key and from where? Every attempt to delete the resource, the newest first; the
-- outcome tells whether it succeeded. What a deletion is called is up to the sender, so it is told by words in the
-- action; they fit `document.delete` and CloudTrail's `s3.DeleteBucket` and `ec2.DeregisterImage` alike.
--
-- param target   text     required  the resource's id, as one of the event's targets
-- param from     date     today-89  first day (UTC)
-- param to       date     today     last day (UTC)
-- param actions  pattern  delet|remov|destroy|terminat|purge|erase|revok|deregist|[.]release[a-z]  actions that take something away
--
-- column occurred_at         when
-- column tenant_id           whose resource
-- column action              what was done
-- column outcome             how it ended
-- column outcome_reason      why it did not succeed
-- column actor_id            who did it
-- column actor_name          the same, by name
-- column on_behalf_of_id     for whom, if not for itself
-- column credential_id       the key used, if any
-- column ip_address          from where
-- column country             the same, by country
-- column session_id          in which session
-- column target_name         the name of the event's first target
-- column id                  the event
SELECT
    occurred_at, tenant_id, action, outcome, outcome_reason, actor_id, actor_name, on_behalf_of_id,
    credential_id, ip_address, country, session_id, target_name, id
FROM events
WHERE day BETWEEN $from AND $to AND array_has(target_ids, $target) AND action ~* $actions
ORDER BY occurred_at DESC, id
