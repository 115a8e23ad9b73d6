-- Outcomes of the applications from each source.
--
-- Caveats: rates of sources with few applications mean little. Applications that are still active
-- may yet be hired, so new sources look worse than they are.
--
-- Grain: source
-- Check: coalesce(sum(applications), 0) = (SELECT count(*) FROM recruit.job_applications)
-- Check: count(*) FILTER (applications <> active + hired + rejected + gone + unknown) = 0
-- Picture: Hires by source
-- Bars:
--   SELECT source AS label, hired AS value FROM recruit_marts.source_quality WHERE
--   (SELECT sum(unknown) = 0 FROM recruit_marts.source_quality) ORDER BY hired DESC, applications DESC, source LIMIT 8
-- Columns:
--   source: Where the applications came from, as defined in recruit_marts.applications
--   applications: Applications from there
--   active: Those that are active
--   interviewed: Those that have reached an interview, as far as is known
--   hired: Those that are hired
--   hires_undone: Those that were hired and are not any more
--   rejected: Those that were rejected
--   gone: Those that were deleted before either
--   unknown: Those whose stage is not known
--   interview_rate: interviewed as a share of applications
--   hire_rate: hired as a share of applications
--   rejection_rate: rejected as a share of applications
--   median_days_to_hire: Median of the days from applying to being hired

SELECT
    source,
    count(*) AS applications,
    count(*) FILTER (outcome = 'active') AS active,
    count(*) FILTER (interviewed) AS interviewed,
    count(*) FILTER (outcome = 'hired') AS hired,
    count(*) FILTER (hire_undone) AS hires_undone,
    count(*) FILTER (outcome = 'rejected') AS rejected,
    count(*) FILTER (outcome = 'gone') AS gone,
    count(*) FILTER (outcome = 'unknown') AS unknown,
    count(*) FILTER (interviewed) / count(*) AS interview_rate,
    count(*) FILTER (outcome = 'hired') / count(*) AS hire_rate,
    count(*) FILTER (outcome = 'rejected') / count(*) AS rejection_rate,
    median(days_to_hire) AS median_days_to_hire
FROM recruit_marts.applications
GROUP BY source
ORDER BY hired DESC, applications DESC, source
