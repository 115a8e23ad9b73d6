-- Outcomes of offers: for the company, and by department, job and month of sending.
--
-- An answer is defined here: the response, or the status if there is no response, begins with
-- accepted or declined (or rejected, refused).
-- Caveats: the account needs the offers add-on. Deleted offers stay, and are not open.
--
-- Grain: level, department, job_id, month
-- Check: coalesce(sum(offers) FILTER (level = 'company'), 0) = (SELECT count(*) FROM
--   recruit.job_offers)
-- Check: coalesce(sum(offers), 0) = 4 * coalesce(sum(offers) FILTER (level = 'company'), 0)
-- Check: count(*) FILTER (accepted + declined + open > sent OR sent > offers) = 0
-- Picture: Offers sent, by answer
-- Bars:
--   SELECT unnest(['Accepted', 'Declined', 'Open']) AS label, unnest([accepted, declined, open])
--   AS value FROM recruit_marts.offers WHERE level = 'company' AND sent > 0
-- Columns:
--   level: What the row is for: company, department, job or month
--   department: Department of the job, if the level is department
--   job_id: Id in recruit.jobs, if the level is job
--   job: Title of the job, if the level is job
--   month: First day of the month of sending (UTC), if the level is month; null if not sent
--   offers: Offers, drafts included
--   sent: Those that were sent, or answered
--   accepted: Those that were accepted
--   declined: Those that were declined
--   open: Those that were sent and are not answered yet
--   acceptance_rate: accepted as a share of those answered
--   median_days_to_answer: Median of the days from sending to the answer
--   with_days_to_answer: Answers that the median is of

WITH answers AS (
    SELECT
        *,
        lower(trim(coalesce(nullif(trim(response), ''), status, ''))) AS said,
        starts_with(said, 'accept') AS is_accepted,
        regexp_matches(said, '^(declin|reject|refus)') AS is_declined
    FROM recruit.job_offers
),
offers AS (
    SELECT
        coalesce(a.department, 'No department') AS department,
        a.job_id,
        a.job,
        date_trunc('month', o.sent_at)::DATE AS month,
        o.is_accepted,
        o.is_declined,
        o.sent_at IS NOT NULL OR o.is_accepted OR o.is_declined AS is_sent,
        is_sent AND NOT o.is_accepted AND NOT o.is_declined AND o.answered_at IS NULL
            AND o._deleted_at IS NULL AS is_open,
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
    count(*) FILTER (is_open) AS open,
    CASE WHEN accepted + declined > 0 THEN accepted / (accepted + declined) END AS acceptance_rate,
    median(days) FILTER (is_accepted OR is_declined) AS median_days_to_answer,
    count(days) FILTER (is_accepted OR is_declined) AS with_days_to_answer
FROM offers
GROUP BY GROUPING SETS ((), (department), (job_id), (month))
ORDER BY ALL
