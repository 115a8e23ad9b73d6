-- How far applications get: into each group of stages, and past it; for the company, and by month of
-- applying, department, job and type of source.
--
-- All figures are of a cohort: the applications made there, whatever has become of them since; only
-- still_there is current. An application that reached a group counts in all groups that its job has
-- before that, seen there or not. The last step is being hired: a hire that was undone counts in the
-- groups before it, and has not passed the last of them.
-- The rate is of the decided ones: those that passed the group, were rejected or were deleted, not those
-- that may still pass on. One whose stage is not known counts in Inbox only, and where there are more
-- than 1 % of them, what depends on it is null.
-- Caveats: a group has the applications for jobs with such a stage, so a later group may have more than
-- an earlier one. Without activities, a stage entered and left between two syncs is not seen, and the days
-- are known only for stays that ended since the first sync.
--
-- Grain: level, month, department, job_id, source_type, stage_group
-- Check: coalesce(sum(entered) FILTER (stage_group = 'Inbox'), 0) = 5 * (SELECT count(*) FROM
--   recruit.job_applications)
-- Check: count(*) FILTER (stage_group = 'Hired' AND level = 'company' AND entered <> (SELECT count(*)
--   FROM recruit_marts.applications WHERE outcome = 'hired')) = 0
-- Check: count(*) FILTER (entered <> decided + still_there + if(stage_group = 'Inbox', unknown, 0)
--   OR decided <> passed + rejected + gone OR entered > applications) = 0
-- Level: company
-- Level: month: month, is_whole_month
-- Level: department: department
-- Level: job: job_id, job
-- Level: source_type: source_type
-- Picture: Applications that reached each group of stages
-- Bars:
--   SELECT coalesce(stage_group, 'Other stages') AS label, entered AS value FROM
--   recruit_marts.funnel WHERE level = 'company' AND (SELECT count(*) = count(entered) FROM
--   recruit_marts.funnel WHERE level = 'company') ORDER BY position
-- Columns:
--   level: What the row is for: company, month, department, job or source_type
--   month: First day of the month of applying, if the level is month; null if that is not known
--   is_whole_month: Whether the month is over as of the last reading, and is not the one of the first
--     application; null if the level is not month
--   department: Department, if the level is department
--   job_id: Id in recruit.jobs, if the level is job
--   job: Title of the job, if the level is job
--   source_type: Type of source, if the level is source_type
--   stage_group: Inbox, Screening, Interview, Assessment, Offer or Hired; null for stages In process
--     whose group is not known
--   position: 1 to 7: position of the group in the funnel; those that are not known come after Inbox
--   applications: Applications for jobs that have such a stage
--   unknown: Those whose stage is not known
--   entered: Those that have reached a stage of this group, or a later one; for Hired, those that are
--     hired
--   hires_undone: In the group Hired, those that were in it and are not hired any more
--   passed: Those that have reached a later stage than those of this group; null for Hired, the last
--   rejected: Those that have entered and were rejected before they passed
--   gone: Those that have entered and were deleted before they passed
--   decided: Those that passed, were rejected or are gone; for Hired, those that are hired
--   still_there: Those that have entered, have not passed and are active now
--   pass_rate: passed as a share of decided; null for Hired
--   median_days_moved: Median of the days of stays in stages of this group that ended by a move; null
--     for Hired, where nobody waits
--   stays_moved: Stays that the median is of

WITH places AS (
    SELECT
        stage_id,
        job_id,
        stage_group,
        CASE stage_type
            WHEN 'Inbox' THEN -1
            WHEN 'Hired' THEN 'infinity'::DOUBLE
            ELSE greatest(row_order, 0)
        END AS place
    FROM recruit_marts.stage_groups
    WHERE stage_type IS NOT NULL
),
ends AS (
    SELECT job_id, max(place) AS last FROM places WHERE isfinite(place) GROUP BY job_id
),
stages AS (
    SELECT job_id, stage_group, min(place) AS first, max(place) AS last
    FROM (
        SELECT job_id, stage_group, place FROM places
        UNION ALL
        SELECT DISTINCT job_id, unnest(['Inbox', 'Hired']), unnest([-1, 'infinity'::DOUBLE])
        FROM recruit_marts.applications
    )
    GROUP BY job_id, stage_group
),
ways AS (
    SELECT s.application_id, max(p.place) AS furthest_place
    FROM recruit_marts.stage_spells AS s
    JOIN recruit_marts.applications AS a USING (application_id)
    JOIN places AS p ON p.stage_id = s.stage_id AND p.job_id = a.job_id
    GROUP BY s.application_id
),
reached AS (
    SELECT
        a.application_id,
        date_trunc('month', a.applied_at)::DATE AS month,
        a.department,
        a.job_id,
        a.job,
        a.source_type,
        a.outcome,
        a.hire_undone,
        a.as_of,
        CASE
            WHEN a.outcome = 'unknown' OR a.furthest IS NULL THEN NULL
            WHEN a.outcome = 'hired' THEN 'infinity'::DOUBLE
            ELSE least(coalesce(w.furthest_place, -1), coalesce(e.last, -1))
        END AS reached
    FROM recruit_marts.applications AS a
    LEFT JOIN ways AS w USING (application_id)
    LEFT JOIN ends AS e ON e.job_id = a.job_id
),
facts AS (
    SELECT
        r.*,
        s.stage_group,
        if(s.stage_group = 'Inbox', true, r.reached >= s.first) AS has_entered,
        r.reached > s.last AS has_passed,
        r.reached >= s.first AND NOT has_passed AS has_stayed
    FROM reached AS r
    JOIN stages AS s ON s.job_id IS NOT DISTINCT FROM r.job_id
),
counted AS (
    SELECT
        CASE
            WHEN grouping(month) = 0 THEN 'month'
            WHEN grouping(department) = 0 THEN 'department'
            WHEN grouping(job_id) = 0 THEN 'job'
            WHEN grouping(source_type) = 0 THEN 'source_type'
            ELSE 'company'
        END AS level,
        month,
        department,
        job_id,
        CASE WHEN grouping(job_id) = 0 THEN any_value(job) END AS job,
        source_type,
        stage_group,
        date_trunc('month', any_value(as_of)) AS this_month,
        count(*) AS applications,
        count(*) FILTER (reached IS NULL) AS unknown,
        if_known(count(*) FILTER (has_entered), count(*) FILTER (has_entered IS NULL), applications) AS entered,
        if_known(count(*) FILTER (hire_undone AND stage_group = 'Hired'), unknown, applications) AS hires_undone,
        CASE WHEN stage_group IS DISTINCT FROM 'Hired' THEN if_known(count(*) FILTER (has_passed), unknown, applications) END
            AS passed,
        if_known(count(*) FILTER (has_stayed AND outcome = 'rejected'), unknown, applications) AS rejected,
        if_known(count(*) FILTER (has_stayed AND outcome = 'gone'), unknown, applications) AS gone,
        if_known(count(*) FILTER (has_passed OR has_stayed AND outcome <> 'active'), unknown, applications) AS decided,
        if_known(count(*) FILTER (has_stayed AND outcome = 'active'), unknown, applications) AS still_there
    FROM facts
    GROUP BY GROUPING SETS (
        (stage_group), (stage_group, month), (stage_group, department), (stage_group, job_id), (stage_group, source_type)
    )
),
moved AS (
    SELECT
        CASE
            WHEN grouping(r.month) = 0 THEN 'month'
            WHEN grouping(r.department) = 0 THEN 'department'
            WHEN grouping(r.job_id) = 0 THEN 'job'
            WHEN grouping(r.source_type) = 0 THEN 'source_type'
            ELSE 'company'
        END AS level,
        r.month,
        r.department,
        r.job_id,
        r.source_type,
        s.stage_group,
        median(s.days) AS median_days,
        count(s.days) AS stays
    FROM recruit_marts.stage_spells AS s
    JOIN reached AS r USING (application_id)
    WHERE s.ended = 'moved' AND s.stage_type <> 'Hired'
    GROUP BY GROUPING SETS (
        (s.stage_group), (s.stage_group, r.month), (s.stage_group, r.department), (s.stage_group, r.job_id), (s.stage_group, r.source_type)
    )
)
SELECT
    c.level,
    c.month,
    CASE
        WHEN c.level = 'month'
        THEN c.month < c.this_month
            AND c.month > (SELECT date_trunc('month', min(applied_at)) FROM recruit_marts.applications)
    END AS is_whole_month,
    c.department,
    c.job_id,
    c.job,
    c.source_type,
    c.stage_group,
    coalesce(
        list_position(['Inbox', '', 'Screening', 'Interview', 'Assessment', 'Offer', 'Hired'], c.stage_group), 2
    )::BIGINT AS position,
    c.applications,
    c.unknown,
    c.entered,
    c.hires_undone,
    c.passed,
    c.rejected,
    c.gone,
    c.decided,
    c.still_there,
    CASE WHEN c.decided > 0 THEN c.passed / c.decided END AS pass_rate,
    m.median_days AS median_days_moved,
    coalesce(m.stays, 0) AS stays_moved
FROM counted AS c
LEFT JOIN moved AS m
    ON m.level = c.level
    AND m.month IS NOT DISTINCT FROM c.month
    AND m.department IS NOT DISTINCT FROM c.department
    AND m.job_id IS NOT DISTINCT FROM c.job_id
    AND m.source_type IS NOT DISTINCT FROM c.source_type
    AND m.stage_group IS NOT DISTINCT FROM c.stage_group
ORDER BY c.level, c.month, c.department, c.job_id, c.source_type, position
