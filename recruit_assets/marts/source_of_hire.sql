-- What became of the applications from each source: by type of source, by site, and by site and month
-- of applying.
--
-- All figures are of a cohort: the applications made there, in that month, whatever has become of them
-- since. The rates are of the concluded ones: those that are hired, rejected or deleted. One that is
-- active may yet be hired, so the hires of the last months still grow.
-- Figures that depend on who is hired or active are null where more than 1 % of the stages are not
-- known. Offers are null if they were never read: an account may lack the offers add-on.
-- Caveats: rates of few applications mean little. What was deleted before the first complete sync is
-- not known.
--
-- Grain: level, source_type, source, month
-- Check: coalesce(sum(applications), 0) = 3 * (SELECT count(*) FROM recruit.job_applications)
-- Check: count(*) FILTER (applications <> active + concluded + unknown OR concluded <> hires +
--   rejected + gone OR greatest(people, offers, interviewed, internal) > applications) = 0
-- Level: source_type: source_type
-- Level: source: source_type, source
-- Level: month: source_type, source, month, is_whole_month
-- Picture: Hires by type of source
-- Bars:
--   SELECT coalesce(source_type, 'not known') AS label, hires AS value FROM
--   recruit_marts.source_of_hire WHERE level = 'source_type' AND (SELECT count(*) = count(hires) FROM
--   recruit_marts.source_of_hire WHERE level = 'source_type')
--   ORDER BY hires DESC, applications DESC, label
-- Columns:
--   level: What the row is for: source_type, source (a site within a type), or month (a site within a
--     type, in a month)
--   source_type: Type of source, as defined in recruit_marts.applications; null if that is not known
--   source: The site, if the level is not source_type; null for applications without one
--   month: First day of the month of applying, if the level is month; null if that is not known
--   is_whole_month: Whether the month is over as of the last reading, and is not the one of the first
--     application; null if the level is not month
--   applications: Applications from there
--   unknown: Those whose stage is not known, and that were not rejected
--   people: Candidates who made them; one whose candidate is not known counts as another
--   internal: Applications of the company's own employees, whatever the type of their source; null if
--     the candidates are not known
--   active: Those that are active
--   concluded: Those that are hired, rejected or gone
--   interviewed: Those that have reached an interview; null if that is known of none
--   offers: Those with an offer that was sent
--   hires: Those that are hired
--   hires_undone: Those that were hired and are not any more
--   rejected: Those that were rejected
--   gone: Those that were deleted before either
--   with_interviews: Concluded ones of which it is known whether they have reached an interview
--   interview_rate: Share of those that have
--   hire_rate: hires as a share of concluded
--   rejection_rate: rejected as a share of concluded
--   median_days_to_hire: Median of the days from applying to being hired
--   with_days_to_hire: Hires that the median is of

WITH offered AS (
    SELECT DISTINCT job_application_id AS application_id
    FROM recruit.job_offers
    WHERE job_application_id IS NOT NULL AND is_offer_sent(sent_at, response, status)
),
read AS (
    SELECT count(read_number) > 0 AS offers_known FROM recruit_meta.latest WHERE endpoint = 'job_offers'
),
first AS (
    SELECT date_trunc('month', min(applied_at)) AS first_month FROM recruit_marts.applications
),
facts AS (
    SELECT
        a.*,
        coalesce(a.candidate_id, 'of application ' || a.application_id) AS person,
        date_trunc('month', a.applied_at)::DATE AS month,
        o.application_id IS NOT NULL AS is_offered,
        a.outcome IN ('hired', 'rejected', 'gone') AS is_concluded,
        r.offers_known,
        f.first_month
    FROM recruit_marts.applications AS a
    CROSS JOIN read AS r
    CROSS JOIN first AS f
    LEFT JOIN offered AS o USING (application_id)
)
SELECT
    CASE
        WHEN grouping(month) = 0 THEN 'month'
        WHEN grouping(source) = 0 THEN 'source'
        ELSE 'source_type'
    END AS level,
    source_type,
    source,
    month,
    CASE
        WHEN grouping(month) = 0
        THEN month < date_trunc('month', any_value(as_of)) AND month > any_value(first_month)
    END AS is_whole_month,
    count(*) AS applications,
    count(*) FILTER (outcome = 'unknown') AS unknown,
    count(DISTINCT person) AS people,
    CASE WHEN source_type IS NOT NULL THEN count(*) FILTER (is_internal) END AS internal,
    if_known(count(*) FILTER (outcome = 'active'), unknown, applications) AS active,
    if_known(count(*) FILTER (is_concluded), unknown, applications) AS concluded,
    CASE WHEN count(interviewed) > 0 THEN count(*) FILTER (interviewed) END AS interviewed,
    CASE WHEN any_value(offers_known) THEN count(*) FILTER (is_offered) END AS offers,
    if_known(count(*) FILTER (outcome = 'hired'), unknown, applications) AS hires,
    if_known(count(*) FILTER (hire_undone), unknown, applications) AS hires_undone,
    count(*) FILTER (outcome = 'rejected') AS rejected,
    if_known(count(*) FILTER (outcome = 'gone'), unknown, applications) AS gone,
    count(interviewed) FILTER (is_concluded) AS with_interviews,
    CASE WHEN with_interviews > 0 THEN count(*) FILTER (interviewed AND is_concluded) / with_interviews END
        AS interview_rate,
    CASE WHEN concluded > 0 THEN hires / concluded END AS hire_rate,
    CASE WHEN concluded > 0 THEN rejected / concluded END AS rejection_rate,
    if_known(median(days_to_hire), unknown, applications) AS median_days_to_hire,
    if_known(count(days_to_hire), unknown, applications) AS with_days_to_hire
FROM facts
GROUP BY GROUPING SETS ((source_type), (source_type, source), (source_type, source, month))
ORDER BY level, hires DESC, applications DESC, source_type, source, month
