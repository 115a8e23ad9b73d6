-- Outcomes of the applications from each source: by type of source, and by site.
--
-- The rates are of the concluded applications: those that are hired, rejected or deleted. One that is
-- active may yet be hired.
-- Caveats: rates of few applications mean little.
--
-- Grain: level, source_type, source
-- Check: coalesce(sum(applications), 0) = 2 * (SELECT count(*) FROM recruit.job_applications)
-- Check: count(*) FILTER (applications <> active + concluded + unknown OR concluded <> hired +
--   rejected + gone) = 0
-- Picture: Hires by type of source
-- Bars:
--   SELECT coalesce(source_type, 'not known') AS label, hired AS value FROM
--   recruit_marts.source_quality WHERE level = 'source_type' AND (SELECT sum(unknown) = 0 FROM
--   recruit_marts.source_quality) ORDER BY hired DESC, applications DESC, label
-- Columns:
--   level: What the row is for: source_type, or source, which is a site within a type
--   source_type: Type of source, as defined in recruit_marts.applications; null if that is not known
--   source: The site, if the level is source; null for applications without one
--   applications: Applications from there
--   active: Those that are active
--   concluded: Those that are hired, rejected or gone
--   hired: Those that are hired
--   hires_undone: Those that were hired and are not any more
--   rejected: Those that were rejected
--   gone: Those that were deleted before either
--   unknown: Those whose stage is not known
--   interviewed: Those that have reached an interview; null if that is known of none
--   with_interviews: Concluded ones of which it is known whether they have
--   interview_rate: Share of those that have
--   hire_rate: hired as a share of concluded
--   rejection_rate: rejected as a share of concluded
--   median_days_to_hire: Median of the days from applying to being hired
--   with_days_to_hire: Hires that the median is of

SELECT
    if(grouping(source) = 0, 'source', 'source_type') AS level,
    source_type,
    source,
    count(*) AS applications,
    count(*) FILTER (outcome = 'active') AS active,
    count(*) FILTER (outcome IN ('hired', 'rejected', 'gone')) AS concluded,
    count(*) FILTER (outcome = 'hired') AS hired,
    count(*) FILTER (hire_undone) AS hires_undone,
    count(*) FILTER (outcome = 'rejected') AS rejected,
    count(*) FILTER (outcome = 'gone') AS gone,
    count(*) FILTER (outcome = 'unknown') AS unknown,
    CASE WHEN count(interviewed) > 0 THEN count(*) FILTER (interviewed) END AS interviewed,
    count(interviewed) FILTER (outcome IN ('hired', 'rejected', 'gone')) AS with_interviews,
    CASE
        WHEN with_interviews > 0
        THEN count(*) FILTER (interviewed AND outcome IN ('hired', 'rejected', 'gone')) / with_interviews
    END AS interview_rate,
    CASE WHEN concluded > 0 THEN hired / concluded END AS hire_rate,
    CASE WHEN concluded > 0 THEN rejected / concluded END AS rejection_rate,
    median(days_to_hire) AS median_days_to_hire,
    count(days_to_hire) AS with_days_to_hire
FROM recruit_marts.applications
GROUP BY GROUPING SETS ((source_type), (source_type, source))
ORDER BY level, hired DESC, applications DESC, source_type, source
