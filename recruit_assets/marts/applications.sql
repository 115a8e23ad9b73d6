-- Every application: its job, its source, its stage and its outcome.
--
-- The terms that the other marts use are defined here. `outcome` is the first that applies:
-- rejected (it has a time of rejection), hired (it is in a stage of type Hired), unknown (the type of
-- its stage is not known, so it may be hired), gone (it was deleted before either), active. `source` is the site that the application names, else the site
-- that the candidate names, else Sourced (a recruiter added it), else Referral (an employee did),
-- else Direct.
-- Caveats: deleted applications stay, without personal data, so that the numbers of past months do
-- not change when people are erased (except with RECRUIT_DELETED_ROWS=drop). A duration whose end is
-- before its start is null, here and in the other marts. `as_of` is when the
-- last sync that read the applications began.
--
-- Grain: application_id
-- Check: count(*) = (SELECT count(*) FROM recruit.job_applications)
-- Check: count(*) FILTER (outcome = 'rejected') = (SELECT count(*) FROM recruit.job_applications
--   WHERE rejected_at IS NOT NULL)
-- Check: count(*) FILTER (days_to_hire < 0 OR days_to_reject < 0 OR days_in_stage < 0) = 0
-- Expect: count(*) FILTER (stage_type IS NULL) <= 0.01 * count(*)
-- Picture: Applications by month
-- Months:
--   SELECT date_trunc('month', applied_at)::DATE AS label, count(*) AS value
--   FROM recruit_marts.applications GROUP BY label
--   HAVING label < (SELECT date_trunc('month', max(applied_at)) FROM recruit_marts.applications)
--   ORDER BY label
-- Columns:
--   application_id: Id in recruit.job_applications
--   candidate_id: Id in recruit.candidates
--   job_id: Id in recruit.jobs
--   job: Title of the job
--   job_status: Status of the job: open, draft, archived, unlisted or temp
--   recruiter_id: Id in recruit.users of the job's recruiter
--   department: Department of the job; No department if it has none, Not known if it was not read
--   location: Name of the job's location, or its city; No location, Not known likewise
--   source: Where the application came from
--   stage_id: Id in recruit.stages of its current or last stage
--   stage: Name of that stage
--   stage_type: Type of that stage: Inbox, In process or Hired; null if the stage is not known
--   furthest: The furthest type of stage that it has reached, as far as is known; at least Inbox,
--     null if its stage is not known
--   interviewed: Whether it has reached an interview, as far as is known
--   outcome: rejected, hired, unknown, gone or active
--   applied_at: When it was made
--   stage_since: When its stay in that stage began; if a rejection was undone, when that was seen
--   days_in_stage: Days since then, if it is active
--   hired_at: When it entered the stages of type Hired, if it is hired
--   hire_undone: Whether it was in a stage of type Hired, and is not hired any more
--   days_to_hire: Days from applying to being hired
--   days_to_fill: Days from the job's start (its creation, if it has none) to the hire; null if the
--     job was advertised again after it
--   rejected_at: When it was rejected
--   days_to_reject: Days from applying to that
--   reject_reason_id: Id of the reason
--   as_of: The time that the row describes: when the sync began

WITH synced AS (
    SELECT coalesce(max(read_from), now()) AS as_of
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
        j.user_id AS recruiter_id,
        coalesce(d.name, if(j.id IS NULL OR j.department_id IS NOT NULL, 'Not known', 'No department'))
            AS department,
        coalesce(p.location, if(j.id IS NULL OR j.place_id IS NOT NULL AND p.id IS NULL, 'Not known', 'No location'))
            AS location,
        CASE
            WHEN nullif(trim(a.referring_site), '') IS NOT NULL THEN trim(a.referring_site)
            WHEN nullif(trim(c.referring_site), '') IS NOT NULL THEN trim(c.referring_site)
            WHEN a.sourced OR c.sourced THEN 'Sourced'
            WHEN c.referred THEN 'Referral'
            ELSE 'Direct'
        END AS source,
        a.stage_id,
        v.stage,
        v.stage_type,
        CASE
            WHEN w.to_hired THEN 'Hired'
            WHEN v.stage_type IS NULL THEN NULL
            WHEN w.to_process THEN 'In process'
            ELSE 'Inbox'
        END AS furthest,
        coalesce(w.interviewed, false) AS interviewed,
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
    LEFT JOIN recruit.candidates AS c ON c.id = a.candidate_id
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
    recruiter_id,
    department,
    location,
    source,
    stage_id,
    stage,
    stage_type,
    furthest,
    interviewed,
    outcome,
    applied_at,
    stage_since,
    CASE WHEN outcome = 'active' THEN days_between(stage_since, as_of) END AS days_in_stage,
    hired_at,
    hire_undone,
    days_between(applied_at, hired_at) AS days_to_hire,
    days_between(job_started_at, hired_at) AS days_to_fill,
    rejected_at,
    days_between(applied_at, rejected_at) AS days_to_reject,
    reject_reason_id,
    as_of
FROM facts
