-- How long it takes to hire, and to fill a job: for the company, and by department, job and month.
--
-- Caveats: a hire counts in the month in which it was made. The time to fill starts with the job's
-- advertisement, also for later hires of the same job. If the job was advertised again after a hire,
-- the time to fill of that hire is not known. There are no rows if more than 1 % of the stages are not
-- known.
--
-- Grain: level, department, job_id, month
-- Check: coalesce(sum(hires) FILTER (level = 'company'), 0) = (SELECT count(*) FROM
--   recruit.job_applications AS a JOIN recruit.stages AS s ON s.id = a.stage_id WHERE
--   a.rejected_at IS NULL AND lower(coalesce(s.legacy_stage_type_name, s.stage_type)) = 'hired') OR
--   (SELECT count(*) FILTER (outcome = 'unknown') > 0.01 * count(*) FROM recruit_marts.applications)
-- Check: coalesce(sum(hires), 0) = 4 * coalesce(sum(hires) FILTER (level = 'company'), 0)
-- Level: company
-- Level: department: department
-- Level: job: job_id, job
-- Level: month: month, is_whole_month
-- Picture: Median days from application to hire, by month of the hire
-- Months:
--   SELECT month AS label, median_days_to_hire AS value, with_days_to_hire AS n
--   FROM recruit_marts.time_to_hire WHERE level = 'month' AND is_whole_month ORDER BY month
-- Columns:
--   level: What the row is for: company, department, job or month
--   department: Department, if the level is department
--   job_id: Id in recruit.jobs, if the level is job
--   job: Title of the job, if the level is job
--   month: First day of the month of the hire, if the level is month
--   is_whole_month: Whether the month is over as of the last reading, and is not the one in which the
--     first application was made; null if the level is not month
--   hires: Applications that are hired
--   with_days_to_hire: Those whose time to hire is known; the others were hired before they applied
--   with_days_to_fill: Those whose time to fill is known; the others were hired before the job began
--   median_days_to_hire: Median of the days from applying to being hired
--   p90_days_to_hire: 90th percentile of the days from applying to being hired
--   median_days_to_fill: Median of the days from the start of the job to the hire

WITH hired AS (
    SELECT *, date_trunc('month', hired_at)::DATE AS month
    FROM recruit_marts.applications
    CROSS JOIN (
        SELECT date_trunc('month', min(applied_at)) AS first_month FROM recruit_marts.applications
    )
    WHERE outcome = 'hired'
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
    CASE
        WHEN grouping(month) = 0
        THEN month < date_trunc('month', any_value(as_of)) AND month > any_value(first_month)
    END AS is_whole_month,
    count(*) AS hires,
    count(days_to_hire) AS with_days_to_hire,
    count(days_to_fill) AS with_days_to_fill,
    median(days_to_hire) AS median_days_to_hire,
    quantile_cont(days_to_hire, 0.9) AS p90_days_to_hire,
    median(days_to_fill) AS median_days_to_fill
FROM hired
GROUP BY GROUPING SETS ((), (department), (job_id), (month))
HAVING (
    SELECT if_known(true, count(*) FILTER (outcome = 'unknown'), count(*)) FROM recruit_marts.applications
)
ORDER BY ALL
