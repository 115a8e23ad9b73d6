-- How long applicants wait until somebody does something with their application: for the company, by
-- month of applying, by job, and by both.
--
-- The first action is the first move, rejection, note or meeting after applying that no trigger did, as
-- recruit_marts.application_actions tells it. Without activities, or where they do not lead to where the
-- application is, it is the end of its first stay, if that began by applying and ended by a move or a
-- rejection. Otherwise it is unknown, as of an application that was moved before the first sync, or whose
-- stage could not be read. Where it is unknown of more than 1 % of the applications, what depends on it is
-- null.
-- The figures by days are of a cohort: the applications that were made at least that many days before
-- the last reading of the applications. Those that are unanswered are a snapshot: they are active, and nobody
-- has done anything with them.
-- Caveats: a message is no action, because nobody can say who wrote it. Notes and meetings are known as
-- of when the activities of the job were last read. Without activities they are not known at all, what
-- triggers do counts as done by somebody, and the first of several moves between two syncs is not seen.
-- The median is of those that were answered, however late.
--
-- Grain: level, month, job_id
-- Check: coalesce(sum(applications) FILTER (level = 'company'), 0) = (SELECT count(*) FROM
--   recruit_marts.applications)
-- Check: coalesce(sum(applications) FILTER (level = 'job_month'), 0) = (SELECT count(*) FROM
--   recruit_marts.applications)
-- Check: count(*) FILTER (answered + unanswered + never_answered + unknown <> applications) = 0
-- Check: count(*) FILTER (within_2_days > with_2_days OR within_7_days > with_7_days OR within_14_days >
--   with_14_days OR median_hours_to_action < 0) = 0
-- Level: company
-- Level: month: month, is_whole_month
-- Level: job: job_id, job
-- Level: job_month: month, is_whole_month, job_id, job
-- Picture: Unanswered applications by job, as far as is known
-- Bars:
--   SELECT coalesce(job, 'No job') AS label, unanswered AS value FROM recruit_marts.responsiveness
--   WHERE level = 'job' AND unanswered > 0 ORDER BY value DESC, job_id LIMIT 8
-- Columns:
--   level: What the row is for: company, month, job or job_month (both)
--   month: First day of the month of applying, if the level has one; null if that is not known
--   is_whole_month: Whether the month is over as of the last reading, and is not the one of the first
--     application; null if the level has no month
--   job_id: Id in recruit.jobs, if the level has one
--   job: Title of the job, if the level has one
--   applications: Applications
--   unknown: Those whose first action is not known
--   answered: Those with a first action
--   unanswered: Those without one that are active
--   never_answered: Those without one that are not: deleted, or moved or rejected by a trigger
--   with_2_days: Applications made at least 2 days before the last reading, without unknown ones
--   within_2_days: Those of them with an action in the first 2 days
--   within_2_days_rate: within_2_days as a share of with_2_days
--   with_7_days: Applications made at least 7 days before the last reading, without unknown ones
--   within_7_days: Those of them with an action in the first 7 days
--   within_7_days_rate: within_7_days as a share of with_7_days
--   with_14_days: Applications made at least 14 days before the last reading, without unknown ones
--   within_14_days: Those of them with an action in the first 14 days
--   within_14_days_rate: within_14_days as a share of with_14_days
--   median_hours_to_action: Median of the hours from applying to the first action
--   with_hours_to_action: Applications that the median is of

WITH told AS (
    SELECT
        t.application_id,
        min(t.acted_at) FILTER (t.is_response AND t.acted_at > a.applied_at - INTERVAL 1 MINUTE) AS acted_at,
        bool_and(t.leads_to_stage) AS leads_to_stage,
        bool_or(t.code = 'rejected') AS is_rejected,
        bool_or(t.code IN ('created', 'sourced')) AS is_made
    FROM recruit_marts.application_actions AS t
    JOIN recruit_marts.applications AS a USING (application_id)
    GROUP BY t.application_id
),
seen AS (
    SELECT application_id, entered_at, left_at, ended FROM recruit_marts.stage_spells WHERE spell = 1
),
facts AS (
    SELECT
        a.*,
        date_trunc('month', a.applied_at)::DATE AS month,
        -- Without a move, it must be where it was since it was made.
        coalesce(
            coalesce(t.leads_to_stage, abs(epoch(r.changed_stage_at) - epoch(a.applied_at)) <= 60)
                AND (a.rejected_at IS NULL OR t.is_rejected)
                AND t.is_made,
            false
        ) AS is_told,
        coalesce(is_told OR abs(epoch(s.entered_at) - epoch(a.applied_at)) <= 60, false)
            AND a.applied_at IS NOT NULL
            AND a.outcome <> 'unknown' AS is_known,
        CASE
            WHEN NOT is_known THEN NULL
            WHEN is_told THEN t.acted_at
            WHEN s.ended IN ('moved', 'rejected') THEN s.left_at
        END AS first_action_at,
        CASE WHEN first_action_at IS NOT NULL THEN greatest(epoch_ms(first_action_at) - epoch_ms(a.applied_at), 0) / 3_600_000 END
            AS hours
    FROM recruit_marts.applications AS a
    JOIN recruit.job_applications AS r ON r.id = a.application_id
    LEFT JOIN told AS t ON t.application_id = a.application_id
    LEFT JOIN seen AS s ON s.application_id = a.application_id
),
counted AS (
    SELECT
        CASE grouping(month, job_id)
            WHEN 0 THEN 'job_month' WHEN 1 THEN 'month' WHEN 2 THEN 'job' ELSE 'company'
        END AS level,
        month,
        date_trunc('month', any_value(as_of)) AS this_month,
        job_id,
        CASE WHEN grouping(job_id) = 0 THEN any_value(job) END AS job,
        count(*) AS applications,
        count(*) FILTER (NOT is_known) AS unknown,
        count(*) FILTER (first_action_at IS NOT NULL) AS answered,
        count(*) FILTER (is_known AND first_action_at IS NULL AND outcome = 'active') AS unanswered,
        count(*) FILTER (is_known AND first_action_at IS NULL AND outcome <> 'active') AS never_answered,
        count(*) FILTER (is_known AND applied_at <= as_of - INTERVAL 48 HOUR) AS with_2_days,
        count(*) FILTER (hours <= 48 AND applied_at <= as_of - INTERVAL 48 HOUR) AS within_2_days,
        count(*) FILTER (is_known AND applied_at <= as_of - INTERVAL 168 HOUR) AS with_7_days,
        count(*) FILTER (hours <= 168 AND applied_at <= as_of - INTERVAL 168 HOUR) AS within_7_days,
        count(*) FILTER (is_known AND applied_at <= as_of - INTERVAL 336 HOUR) AS with_14_days,
        count(*) FILTER (hours <= 336 AND applied_at <= as_of - INTERVAL 336 HOUR) AS within_14_days,
        median(hours) AS median_hours,
        count(hours) AS with_hours_to_action
    FROM facts
    GROUP BY GROUPING SETS ((), (month), (job_id), (month, job_id))
)
SELECT
    level,
    month,
    CASE
        WHEN level IN ('month', 'job_month')
        THEN month < this_month AND month > (SELECT date_trunc('month', min(applied_at)) FROM recruit_marts.applications)
    END AS is_whole_month,
    job_id,
    job,
    applications,
    unknown,
    answered,
    unanswered,
    never_answered,
    with_2_days,
    within_2_days,
    CASE WHEN with_2_days > 0 THEN if_known(within_2_days / with_2_days, unknown, applications) END AS within_2_days_rate,
    with_7_days,
    within_7_days,
    CASE WHEN with_7_days > 0 THEN if_known(within_7_days / with_7_days, unknown, applications) END AS within_7_days_rate,
    with_14_days,
    within_14_days,
    CASE WHEN with_14_days > 0 THEN if_known(within_14_days / with_14_days, unknown, applications) END
        AS within_14_days_rate,
    if_known(median_hours, unknown, applications) AS median_hours_to_action,
    with_hours_to_action
FROM counted
WHERE applications > 0
ORDER BY level, month, job_id
