-- Failed logins by source, and whether one of them got in
--
-- Who is guessing, at how many accounts, and with success? Each row is an address from which, within one hour, many
-- logins failed; `successes` counts the logins from it that succeeded within an hour after so many failures.
--
-- param from      date     today-29                                                                                                                  first day (UTC)
-- param to        date     today                                                                                                                     last day (UTC)
-- param actions   list     user.login,user.failed_login,user.session.start,signin.ConsoleLogin,signin.CredentialVerification,grafana.login-auth.sso  the actions that a login is
-- param failures  integer  10                                                                                                                        failed logins within one hour, at least
--
-- column tenant_id         whose accounts
-- column ip_address        the source
-- column country           the same, by country
-- column failures          failed logins in all of the days
-- column worst_hour        most of them within one hour
-- column accounts          accounts they were for
-- column first_failed_at   the first of them
-- column last_failed_at    the last of them
-- column successes         logins that succeeded after so many failures within the hour before
-- column first_success_at  the first of those
-- column account           whose login that was
WITH logins AS (
    SELECT
        tenant_id, ip_address, country, actor_type, actor_id, occurred_at, outcome <> 'success' AS failed,
        SUM(CASE WHEN outcome <> 'success' THEN 1 ELSE 0 END) OVER (
            PARTITION BY tenant_id, ip_address ORDER BY occurred_at
            RANGE BETWEEN INTERVAL '1 hour' PRECEDING AND CURRENT ROW
        ) AS failed_lately
    FROM events
    WHERE day BETWEEN $from AND $to AND array_has($actions, action)
        AND outcome IN ('success', 'failure', 'denied')
)
SELECT
    tenant_id, ip_address, MAX(country) AS country,
    COUNT(CASE WHEN failed THEN 1 END) AS failures,
    MAX(failed_lately) AS worst_hour,
    -- Whom a source did not name is not one account.
    COUNT(DISTINCT CASE WHEN failed AND NOT (actor_type = 'unknown' AND actor_id = 'unknown') THEN actor_id END)
        AS accounts,
    MIN(CASE WHEN failed THEN occurred_at END) AS first_failed_at,
    MAX(CASE WHEN failed THEN occurred_at END) AS last_failed_at,
    COUNT(CASE WHEN NOT failed AND failed_lately >= $failures THEN 1 END) AS successes,
    MIN(CASE WHEN NOT failed AND failed_lately >= $failures THEN occurred_at END) AS first_success_at,
    FIRST_VALUE(actor_id ORDER BY occurred_at)
        FILTER (WHERE NOT failed AND failed_lately >= $failures) AS account
FROM logins
GROUP BY tenant_id, ip_address
HAVING MAX(failed_lately) >= $failures
ORDER BY successes > 0 DESC, worst_hour DESC, tenant_id, ip_address
