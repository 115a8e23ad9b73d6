-- How far the applications of each job get: into each type of stage, and on to the next.
--
-- An application that reached a type of stage counts in all types before it, seen there or not. One
-- whose stage is not known counts in Inbox.
-- Caveats: a stage entered and left between two syncs is not seen. The days are known only for
-- stages that an application has left since the first sync.
--
-- Grain: job_id, stage_type
-- Check: coalesce(sum(entered) FILTER (stage_type = 'Inbox'), 0) = (SELECT count(*) FROM
--   recruit.job_applications)
-- Check: count(*) FILTER (passed_on + now > entered AND stage_type = 'Inbox') = 0
-- Picture: Applications that reached each type of stage
-- Bars:
--   SELECT stage_type AS label, sum(entered) AS value FROM recruit_marts.hiring_funnel GROUP BY
--   stage_type, position HAVING sum(unknown) = 0 ORDER BY position
-- Columns:
--   job_id: Id in recruit.jobs
--   job: Title of the job
--   department: Department of the job
--   stage_type: Inbox, In process or Hired
--   position: 1, 2 or 3: position of the type in the funnel
--   unknown: Applications whose stage is not known
--   entered: Applications that have reached a stage of this type, or a later one
--   now: Active applications that are in one now
--   passed_on: Applications that have reached a later type
--   conversion_rate: passed_on as a share of entered; null for Hired, the last
--   median_days: Median of the days that an application spent in stages of this type, once it left

WITH types AS (
    SELECT * FROM (VALUES ('Inbox', 1), ('In process', 2), ('Hired', 3)) AS t (stage_type, position)
),
stood AS (
    SELECT application_id, stage_type, sum(days) AS days
    FROM recruit_marts.stage_visits
    GROUP BY application_id, stage_type
    HAVING count(days) = count(*)
)
SELECT
    a.job_id,
    any_value(a.job) AS job,
    any_value(a.department) AS department,
    t.stage_type,
    t.position,
    count(*) FILTER (a.furthest IS NULL) AS unknown,
    count(*) FILTER (f.position >= t.position) AS entered,
    count(*) FILTER (a.outcome = 'active' AND a.stage_type = t.stage_type) AS now,
    count(*) FILTER (f.position > t.position) AS passed_on,
    CASE WHEN t.position < 3 AND entered > 0 THEN passed_on / entered END AS conversion_rate,
    median(s.days) AS median_days
FROM recruit_marts.applications AS a
JOIN types AS f ON f.stage_type = coalesce(a.furthest, 'Inbox')
CROSS JOIN types AS t
LEFT JOIN stood AS s ON s.application_id = a.application_id AND s.stage_type = t.stage_type
GROUP BY a.job_id, t.stage_type, t.position
ORDER BY a.job_id, t.position
