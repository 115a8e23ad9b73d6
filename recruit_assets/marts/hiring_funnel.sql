-- How far the applications of each job get: into each type of stage, and on to the next.
--
-- The last step is being hired. A hire that was undone counts as In process.
-- An application that reached a type of stage counts in all types before it, seen there or not. One
-- whose stage is not known counts in Inbox. The rate is of the concluded ones: those that passed on,
-- were rejected or were deleted, not those that may still pass on.
-- Caveats: a stage entered and left between two syncs is not seen. The days are known only for
-- stays that ended since the first sync.
--
-- Grain: job_id, stage_type
-- Check: coalesce(sum(entered) FILTER (stage_type = 'Inbox'), 0) = (SELECT count(*) FROM
--   recruit.job_applications)
-- Check: coalesce(sum(entered) FILTER (stage_type = 'Hired'), 0) = (SELECT count(*) FROM
--   recruit_marts.applications WHERE outcome = 'hired')
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
--   entered: Applications that have reached a stage of this type, or a later one; for Hired, those
--     that are hired
--   hires_undone: Of those in the type Hired, the ones that were in it and are not hired any more
--   now: Active applications that are in one now
--   passed_on: Applications that have reached a later type
--   concluded: Of those that have entered, the ones that passed on, were rejected or were deleted
--   conversion_rate: passed_on as a share of concluded; null for Hired, the last
--   median_days_moved: Median of the days of stays in stages of this type that ended by a move;
--     null for Hired, where nobody waits
--   stays_moved: Stays that the median is of

WITH types AS (
    SELECT * FROM (VALUES ('Inbox', 1), ('In process', 2), ('Hired', 3)) AS t (stage_type, position)
),
reached AS (
    SELECT
        *,
        CASE
            WHEN outcome = 'hired' THEN 3
            WHEN furthest IN ('In process', 'Hired') THEN 2
            ELSE 1
        END AS position
    FROM recruit_marts.applications
),
moved AS (
    SELECT a.job_id, s.stage_type, median(s.days) AS median_days, count(s.days) AS stays
    FROM recruit_marts.stage_spells AS s
    JOIN recruit_marts.applications AS a USING (application_id)
    WHERE s.ended = 'moved' AND s.stage_type <> 'Hired'
    GROUP BY a.job_id, s.stage_type
)
SELECT
    a.job_id,
    any_value(a.job) AS job,
    any_value(a.department) AS department,
    t.stage_type,
    t.position,
    count(*) FILTER (a.furthest IS NULL) AS unknown,
    count(*) FILTER (a.position >= t.position) AS entered,
    count(*) FILTER (a.hire_undone AND t.position = 3) AS hires_undone,
    count(*) FILTER (a.outcome = 'active' AND a.stage_type = t.stage_type) AS now,
    count(*) FILTER (a.position > t.position) AS passed_on,
    count(*) FILTER (
        a.position > t.position
        OR a.position = t.position AND a.furthest IS NOT NULL AND a.outcome NOT IN ('active', 'unknown')
    ) AS concluded,
    CASE WHEN t.position < 3 AND concluded > 0 THEN passed_on / concluded END AS conversion_rate,
    any_value(m.median_days) AS median_days_moved,
    coalesce(any_value(m.stays), 0) AS stays_moved
FROM reached AS a
CROSS JOIN types AS t
LEFT JOIN moved AS m ON m.job_id = a.job_id AND m.stage_type = t.stage_type
GROUP BY a.job_id, t.stage_type, t.position
ORDER BY a.job_id, t.position
