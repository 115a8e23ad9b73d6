-- Every application: its job, its source, its stage and its outcome.
--
-- The terms that the other marts use are defined here. `outcome` is the first that applies:
-- rejected (it has a time of rejection), hired (it is in a stage of type Hired), unknown (the type of
-- its stage is not known, so it may be hired), gone (it was deleted before either), active. `source_type`
-- is the first that applies: referral (an employee recommended the candidate), sourced (a recruiter
-- added them), internal (an employee applied), career site or job board (they came from the
-- company's site, or another one), direct. `source` is the site that the application names, else the
-- one that the candidate names; all spellings of a site are one. The user's file of sources may call
-- a site otherwise, and say which type it is, unless the application is a referral, sourced or internal.
-- Months and days in all marts are those of the time zone of RECRUIT_TIME_ZONE.
-- Caveats: deleted applications stay, without personal data, so that the numbers of past months do
-- not change when people are erased (except with RECRUIT_DELETED_ROWS=drop). A duration whose end is
-- before its start is null, here and in the other marts. `as_of` is when the last sync that read the
-- applications began, or earlier if that read only a part of them.
--
-- Grain: application_id
-- Check: count(*) = (SELECT count(*) FROM recruit.job_applications)
-- Check: count(*) FILTER (outcome = 'rejected') = (SELECT count(*) FROM recruit.job_applications
--   WHERE rejected_at IS NOT NULL)
-- Check: count(*) FILTER (days_to_hire < 0 OR days_to_reject < 0 OR days_in_stage < 0) = 0
-- Expect: count(*) FILTER (stage_type IS NULL) <= 0.01 * count(*)
-- Picture: Applications by month
-- Months:
--   SELECT label::DATE AS label, count(a.application_id) AS value
--   FROM (SELECT unnest(generate_series(date_trunc('month', min(applied_at)) + INTERVAL 1 MONTH,
--   date_trunc('month', max(as_of)) - INTERVAL 1 MONTH, INTERVAL 1 MONTH)) AS label
--   FROM recruit_marts.applications) AS m LEFT JOIN recruit_marts.applications AS a
--   ON date_trunc('month', a.applied_at) = m.label GROUP BY label ORDER BY label
-- Columns:
--   application_id: Id in recruit.job_applications
--   candidate_id: Id in recruit.candidates
--   job_id: Id in recruit.jobs
--   job: Title of the job
--   job_status: Status of the job: open, draft, archived, unlisted or temp
--   job_human_status: The same in words: published, scheduled, expired and so on
--   job_is_open: Whether the job is published or unlisted, has begun, has not ended and is not deleted
--   recruiter_id: Id in recruit.users of the job's recruiter
--   department_id: Id in recruit.departments of the job's department
--   department: Department of the job; No department if it has none, Not known if it was not read
--   location_id: Id in recruit.locations of the job's location, or of the first if it has several
--   location: Name of the job's location, or its city; No location, Not known likewise
--   role_id: Id in recruit.roles of the job's role
--   source_type: referral, sourced, internal, career site, job board or direct; null if the candidate
--     is not known
--   source: The site that it came from, as linkedin.com, or what the user's file of sources calls it;
--     null without one
--   is_internal: Whether the candidate works for the company; null if the candidate is not known
--   stage_id: Id in recruit.stages of its current or last stage
--   stage: Name of that stage
--   stage_type: Type of that stage: Inbox, In process or Hired; null if the stage is not known
--   stage_group: Group of that stage, as defined in recruit_marts.stage_groups
--   furthest: The furthest type of stage that it has reached, as far as is known; at least Inbox,
--     null if its stage is not known
--   interviewed: Whether it has reached an interview, as far as is known; null if the job has no stage
--     that is known as one
--   outcome: rejected, hired, unknown, gone or active
--   applied_at: When it was made
--   stage_since: When its stay in that stage began; if a rejection was undone, when that was seen
--   days_in_stage: Days since then, if it is active
--   stuck_after_days: Days in that stage after which it counts as stuck; 14 unless the user's file of
--     stages says otherwise
--   hired_at: When it entered the stages of type Hired, if it is hired
--   hire_undone: Whether it was in a stage of type Hired, and is not hired any more
--   days_to_hire: Days from applying to being hired
--   days_to_fill: Days from the job's start (its creation, if it has none) to the hire; null if the
--     job was advertised again after it
--   rejected_at: When it was rejected
--   days_to_reject: Days from applying to that
--   reject_reason_id: Id of the reason
--   as_of: The time that the row describes: all values are at least as new

WITH synced AS (
    SELECT coalesce(max(
        CASE WHEN proven_at - values_as_of > INTERVAL 1 MINUTE THEN values_as_of ELSE read_from END
    ), now()) AS as_of
    FROM recruit_meta.latest
    WHERE endpoint = 'job_applications'
),
way AS (
    SELECT
        application_id,
        bool_or(stage_type = 'Hired') AS to_hired,
        bool_or(stage_type = 'In process') AS to_process,
        bool_or(is_interview) AS interviewed,
        min(entered_at) FILTER (spell > last_elsewhere) AS hired_at
    FROM (
        SELECT
            *,
            coalesce(
                max(spell) FILTER (stage_type IS DISTINCT FROM 'Hired') OVER (PARTITION BY application_id), 0
            ) AS last_elsewhere
        FROM recruit_marts.stage_spells
    )
    GROUP BY application_id
),
jobs AS (
    SELECT *, coalesce(location_id, locations_ids[1]) AS place_id FROM recruit.jobs
),
sites AS (
    SELECT DISTINCT site_of(referring_site) AS site
    FROM (
        SELECT referring_site FROM recruit.job_applications
        UNION
        SELECT referring_site FROM recruit.candidates
    )
),
names AS (
    -- A name such as LinkedIn is the site that begins with it, if it is the only one.
    SELECT split_part(site, '.', 1) AS name, any_value(site) AS site
    FROM sites
    WHERE contains(site, '.')
    GROUP BY name
    HAVING count(*) = 1
),
source_rules AS (
    SELECT
        coalesce(n.site, site_of(r.site)) AS site,
        arg_max(r.source, r.site) AS source,
        arg_max(r.source_type, r.site) AS source_type
    FROM recruit_meta.source_rules AS r
    LEFT JOIN names AS n ON n.name = site_of(r.site)
    GROUP BY ALL
),
career_sites AS (
    SELECT DISTINCT site_of(careersite_job_url) FROM recruit.jobs WHERE careersite_job_url IS NOT NULL
),
places AS (
    SELECT id, coalesce(nullif(trim(name), ''), nullif(trim(city), '')) AS location
    FROM recruit.locations
),
facts AS (
    SELECT
        a.id AS application_id,
        a.candidate_id,
        a.job_id,
        coalesce(nullif(trim(j.title), ''), 'Job ' || a.job_id) AS job,
        j.status AS job_status,
        j.human_status AS job_human_status,
        j._deleted_at IS NULL AND is_open(j.status, j.human_status, j.start_date, j.end_date, s.as_of) AS job_is_open,
        j.user_id AS recruiter_id,
        j.department_id,
        name_of('department', d.name, j.department_id, j.id) AS department,
        j.place_id AS location_id,
        name_of('location', p.location, j.place_id, j.id) AS location,
        j.role_id,
        coalesce(n.site, site_of(a.referring_site), site_of(c.referring_site)) AS came_from,
        coalesce(u.source, came_from) AS source,
        CASE
            WHEN c.id IS NULL THEN NULL
            WHEN c.referred THEN 'referral'
            WHEN a.sourced OR c.sourced THEN 'sourced'
            WHEN c.internal THEN 'internal'
            WHEN u.source_type IS NOT NULL THEN u.source_type
            WHEN came_from IN (FROM career_sites) THEN 'career site'
            WHEN came_from IS NOT NULL THEN 'job board'
            ELSE 'direct'
        END AS source_type,
        CASE WHEN c.id IS NOT NULL THEN coalesce(c.internal, false) END AS is_internal,
        a.stage_id,
        v.stage,
        v.stage_type,
        v.stage_group,
        coalesce(r.stuck_after_days, 14) AS stuck_after_days,
        CASE
            WHEN w.to_hired THEN 'Hired'
            WHEN v.stage_type IS NULL THEN NULL
            WHEN w.to_process THEN 'In process'
            ELSE 'Inbox'
        END AS furthest,
        w.interviewed,
        CASE
            WHEN a.rejected_at IS NOT NULL THEN 'rejected'
            WHEN v.stage_type = 'Hired' THEN 'hired'
            WHEN v.stage_type IS NULL THEN 'unknown'
            WHEN a._deleted_at IS NOT NULL THEN 'gone'
            ELSE 'active'
        END AS outcome,
        a.created_at AS applied_at,
        coalesce(v.entered_at, a.changed_stage_at, a.created_at) AS stage_since,
        CASE WHEN outcome = 'hired' THEN w.hired_at END AS hired_at,
        CASE WHEN outcome <> 'unknown' THEN coalesce(w.to_hired, false) AND outcome <> 'hired' END
            AS hire_undone,
        coalesce(j.start_date, j.created_at) AS job_started_at,
        a.rejected_at,
        a.reject_reason_id,
        s.as_of
    FROM recruit.job_applications AS a
    CROSS JOIN synced AS s
    LEFT JOIN recruit_marts.stage_spells AS v
        ON v.application_id = a.id AND v.stage_id = a.stage_id AND v.next_stage_id IS NULL
    LEFT JOIN way AS w ON w.application_id = a.id
    LEFT JOIN recruit_meta.stage_rules AS r ON r.stage = lower(trim(v.stage))
    LEFT JOIN recruit.candidates AS c ON c.id = a.candidate_id
    LEFT JOIN names AS n ON n.name = coalesce(site_of(a.referring_site), site_of(c.referring_site))
    LEFT JOIN source_rules AS u
        ON u.site = coalesce(n.site, site_of(a.referring_site), site_of(c.referring_site))
    LEFT JOIN jobs AS j ON j.id = a.job_id
    LEFT JOIN recruit.departments AS d ON d.id = j.department_id
    LEFT JOIN places AS p ON p.id = j.place_id
)
SELECT
    application_id,
    candidate_id,
    job_id,
    job,
    job_status,
    job_human_status,
    job_is_open,
    recruiter_id,
    department_id,
    department,
    location_id,
    location,
    role_id,
    source_type,
    source,
    is_internal,
    stage_id,
    stage,
    stage_type,
    stage_group,
    furthest,
    interviewed,
    outcome,
    applied_at,
    stage_since,
    CASE WHEN outcome = 'active' THEN days_between(stage_since, as_of) END AS days_in_stage,
    stuck_after_days,
    hired_at,
    hire_undone,
    days_between(applied_at, hired_at) AS days_to_hire,
    days_between(job_started_at, hired_at) AS days_to_fill,
    rejected_at,
    days_between(applied_at, rejected_at) AS days_to_reject,
    reject_reason_id,
    as_of
FROM facts
