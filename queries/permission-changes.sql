-- Permissions: changes of roles, rights and memberships
--
-- Who gave whom which rights? `to_itself` marks what an actor did to its own account, a classic after a break-in.
-- Which actions these are is told by words in them: those of `actions` count, unless those of `reads` match as well.
-- The defaults fit `role.grant` and CloudTrail's `iam.AttachRolePolicy` alike.
--
-- param from     date     today-29  first day (UTC)
-- param to       date     today     last day (UTC)
-- param actor    text     optional  only what this actor changed, by id
-- param target   text     optional  only changes to this account or resource, by id
-- param actions  pattern  role|polic|permission|privilege|grant|member|usertogroup|loginprofile  changes of rights
-- param reads    pattern  \.(get|list|describe|view|simulate|assume)  actions that only look, or use what is there
--
-- column occurred_at      when
-- column tenant_id        where
-- column action           what was done
-- column outcome          how it ended
-- column actor_id         who did it
-- column actor_name       the same, by name
-- column on_behalf_of_id  for whom, if not for itself
-- column target_type      what was changed
-- column target_id        the same, by id
-- column target_name      the same, by name
-- column to_itself        whether the actor is among the targets
-- column changes          old and new values (JSON)
-- column ip_address       from where
-- column country          the same, by country
-- column session_id       in which session
-- column id               the event
SELECT
    occurred_at, tenant_id, action, outcome, actor_id, actor_name, on_behalf_of_id, target_type, target_id,
    target_name, COALESCE(array_has(target_ids, actor_id), false) AS to_itself, changes, ip_address, country,
    session_id, id
FROM events
WHERE day BETWEEN $from AND $to
    AND ($actor IS NULL OR actor_id = $actor)
    AND ($target IS NULL OR array_has(target_ids, $target))
    AND action ~* $actions AND action !~* $reads
ORDER BY occurred_at, id
