-- Outcomes of offers: for the company, and by department, job and month of sending.
--
-- An answer is defined here: the response, or the status if there is no response, begins with
-- accepted or declined (or rejected, refused). Without an answer, an offer whose status begins with
-- withdrawn (or retracted, cancelled, revoked) or expired is neither answered nor open.
-- The acceptance rate is that of applications: of each, its last offer counts. That of offers is lower
-- where a second offer was accepted.
-- Caveats: the account needs the offers add-on. Deleted offers stay, and are not open.
--
-- Grain: level, department, job_id, month
-- Check: coalesce(sum(offers) FILTER (level = 'company'), 0) = (SELECT count(*) FROM
--   recruit.job_offers)
-- Check: coalesce(sum(offers), 0) = 4 * coalesce(sum(offers) FILTER (level = 'company'), 0)
-- Check: count(*) FILTER (accepted + declined + withdrawn + expired + open > sent OR sent > offers OR
--   applications_accepted + applications_declined > applications OR applications > sent) = 0
-- Level: company
-- Level: department: department
-- Level: job: job_id, job
-- Level: month: month
-- Picture: Last offers of applications, by answer
-- Bars:
--   SELECT unnest(['Accepted', 'Declined', 'No answer']) AS label, unnest([applications_accepted,
--   applications_declined, applications - applications_accepted - applications_declined])
--   AS value FROM recruit_marts.offers WHERE level = 'company' AND sent > 0
-- Columns:
--   level: What the row is for: company, department, job or month
--   department: Department of the job, if the level is department
--   job_id: Id in recruit.jobs, if the level is job
--   job: Title of the job, if the level is job
--   month: First day of the month of sending, if the level is month; null if not sent
--   offers: Offers, drafts included
--   sent: Those that were sent, or answered
--   accepted: Those that were accepted
--   declined: Those that were declined
--   withdrawn: Those that were withdrawn before an answer
--   expired: Those that expired without an answer
--   open: Those that were sent and are neither answered, withdrawn nor expired
--   offer_acceptance_rate: accepted as a share of the offers answered
--   applications: Applications whose last offer sent is among them
--   applications_accepted: Those whose last offer was accepted
--   applications_declined: Those whose last offer was declined
--   acceptance_rate: applications_accepted as a share of those whose last offer was answered
--   median_days_to_answer: Median of the days from sending to the answer
--   with_days_to_answer: Answers that the median is of

WITH answers AS (
    SELECT
        *,
        answer_of(response, status) AS said,
        starts_with(said, 'accept') AS is_accepted,
        regexp_matches(said, '^(declin|reject|refus)') AS is_declined,
        NOT is_accepted AND NOT is_declined AS is_unanswered,
        is_unanswered AND regexp_matches(said, '^(withdr|retract|cancel|revok)') AS is_withdrawn,
        is_unanswered AND starts_with(said, 'expir') AS is_expired,
        is_offer_sent(sent_at, response, status) AS is_sent
    FROM recruit.job_offers
),
offers AS (
    SELECT
        o.job_application_id AS application_id,
        coalesce(a.department, 'Not known') AS department,
        a.job_id,
        a.job,
        date_trunc('month', o.sent_at)::DATE AS month,
        o.is_accepted,
        o.is_declined,
        o.is_sent,
        o.is_sent AND o.is_withdrawn AS is_withdrawn,
        o.is_sent AND o.is_expired AS is_expired,
        o.is_sent AND o.is_unanswered AND NOT o.is_withdrawn AND NOT o.is_expired
            AND o.answered_at IS NULL AND o._deleted_at IS NULL AS is_open,
        o.is_sent AND row_number() OVER (
            PARTITION BY coalesce(o.job_application_id, 'offer ' || o.id)
            ORDER BY o.is_sent DESC, o.sent_at DESC NULLS LAST, o.created_at DESC, o.id DESC
        ) = 1 AS is_last,
        days_between(o.sent_at, o.answered_at) AS days
    FROM answers AS o
    LEFT JOIN recruit_marts.applications AS a ON a.application_id = o.job_application_id
)
SELECT
    CASE
        WHEN grouping(department) = 0 THEN 'department'
        WHEN grouping(job_id) = 0 THEN 'job'
        WHEN grouping(month) = 0 THEN 'month'
        ELSE 'company'
    END AS level,
    department,
    job_id,
    CASE WHEN grouping(job_id) = 0 THEN any_value(job) END AS job,
    month,
    count(*) AS offers,
    count(*) FILTER (is_sent) AS sent,
    count(*) FILTER (is_accepted) AS accepted,
    count(*) FILTER (is_declined) AS declined,
    count(*) FILTER (is_withdrawn) AS withdrawn,
    count(*) FILTER (is_expired) AS expired,
    count(*) FILTER (is_open) AS open,
    CASE WHEN accepted + declined > 0 THEN accepted / (accepted + declined) END
        AS offer_acceptance_rate,
    count(*) FILTER (is_last) AS applications,
    count(*) FILTER (is_last AND is_accepted) AS applications_accepted,
    count(*) FILTER (is_last AND is_declined) AS applications_declined,
    CASE
        WHEN applications_accepted + applications_declined > 0
        THEN applications_accepted / (applications_accepted + applications_declined)
    END AS acceptance_rate,
    median(days) FILTER (is_accepted OR is_declined) AS median_days_to_answer,
    count(days) FILTER (is_accepted OR is_declined) AS with_days_to_answer
FROM offers
GROUP BY GROUPING SETS ((), (department), (job_id), (month))
ORDER BY ALL
