-- Account takeover: logins that follow a run of failed ones
--
-- Whose password was guessed? Each row is a successful login before which, within an hour, the same account
-- had many failed ones. `new_country` tells whether the account never logged in from there before, within
-- the days asked for. Guesses at many accounts from one address: failed-logins.
--
-- param from      date     today-29                                                                                                                  first day (UTC)
-- param to        date     today                                                                                                                     last day (UTC)
-- param actions   list     user.login,user.failed_login,user.session.start,signin.ConsoleLogin,signin.CredentialVerification,grafana.login-auth.sso  the actions that a login is
-- param failures  integer  10                                                                                                                        failed logins within the hour before, at least
--
-- column tenant_id        whose account
-- column actor_id         the account
-- column actor_name       its owner
-- column logged_in_at     when the login succeeded
-- column failures         failed logins within the hour before
-- column ip_address       where the login came from
-- column country          the same, by country
-- column new_country      whether it is the account's first login from that country
-- column session_id       the session that began with it
WITH logins AS (
    SELECT
        tenant_id, actor_id, actor_name, occurred_at, outcome, ip_address, country, session_id,
        SUM(CASE WHEN outcome <> 'success' THEN 1 ELSE 0 END) OVER (
            PARTITION BY tenant_id, actor_id ORDER BY occurred_at
            RANGE BETWEEN INTERVAL '1 hour' PRECEDING AND CURRENT ROW
        ) AS failures,
        MIN(CASE WHEN outcome = 'success' THEN occurred_at END) OVER (
            PARTITION BY tenant_id, actor_id, country
        ) AS first_from_country
    FROM events
    WHERE day BETWEEN $from AND $to AND array_has($actions, action)
        AND outcome IN ('success', 'failure', 'denied')
        -- Whom a source did not name is not one account.
        AND NOT (actor_type = 'unknown' AND actor_id = 'unknown')
)
SELECT
    tenant_id, actor_id, actor_name, occurred_at AS logged_in_at, failures, ip_address, country,
    occurred_at = first_from_country AS new_country, session_id
FROM logins
WHERE outcome = 'success' AND failures >= $failures
ORDER BY failures DESC, logged_in_at, actor_id
