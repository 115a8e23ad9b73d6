-- Every job: how long it has been open, how many applications it has, how far they have got, and whether
-- it has been open too long.
--
-- A job opens when its advertisement starts, or when it was created if that has no start. It is aging
-- if it has been open for more than 60 days and nobody is hired for it.
-- The days open and the current figures are a snapshot as of the last reading of the applications, or of
-- the jobs if there are no applications; all others are of all time. What depends on who is hired or
-- active is null where more than 1 % of the job's stages are not known. Figures of applications and
-- offers are null if those were never read.
-- Caveats: a job that was advertised again opens again. A deleted job is not open. When a job was closed
-- is not known, and how often it was reopened only since the first sync. Openings are known only if the
-- account syncs `requisitions` and the job has one.
--
-- Grain: job_id
-- Check: coalesce(sum(applications), 0) = (SELECT count(*) FROM recruit.job_applications)
-- Check: count(*) FILTER (job_id IN (SELECT id FROM recruit.jobs)) = (SELECT count(*) FROM
--   recruit.jobs)
-- Check: count(*) FILTER (greatest(active, in_interview, hires, hires_undone) > applications OR
--   in_interview > active OR days_open < 0 OR days_to_first_hire < 0) = 0
-- Picture: Open jobs by whether somebody was hired
-- Bars:
--   SELECT CASE WHEN is_aging THEN 'No hire yet, open over 60 days' WHEN hires = 0 THEN 'No hire yet'
--   WHEN hires > 0 THEN 'Somebody hired' ELSE 'Not known' END AS label, count(*) AS value
--   FROM recruit_marts.job_health WHERE is_open GROUP BY label ORDER BY label
-- Columns:
--   job_id: Id in recruit.jobs
--   job: Title of the job
--   status: Status of the job: open, draft, archived, unlisted or temp
--   human_status: The same in words: published, scheduled, expired and so on
--   is_open: Whether it is published or unlisted, has begun, has not ended and is not deleted
--   recruiter_id: Id in recruit.users of its recruiter
--   department_id: Id in recruit.departments of its department
--   department: Its name; No department if it has none, Not known if it was not read
--   location_id: Id in recruit.locations of its location, or of the first if it has several
--   location: Its name, or its city; No location, Not known likewise
--   role_id: Id in recruit.roles of its role
--   opened_at: When it opened
--   opened_known_from: start_date or created_at, which of the two that is
--   days_open: Days since then, if it is open
--   reopened_times: How often syncs have seen it published or unlisted again after it was not; null if
--     it has no history
--   openings: How many people its requisition asks for; null if it has none, or that was not read
--   applications: Applications for it
--   unknown: Those whose stage is not known, and that were not rejected
--   active: Those that are active now
--   in_interview: Those that are in a stage of the group Interview now; null if no stage of the job is
--     known as an interview
--   open_offers: Offers that were sent and are neither answered, withdrawn nor expired now
--   hires: Those that are hired
--   hires_undone: Those that were hired and are not any more
--   first_hire_at: When the first of those that are hired was
--   days_to_first_hire: Days from opening to that; null if the job was advertised again after it
--   last_application_at: When the last application was made
--   is_aging: Whether it is open, has been for more than 60 days, and nobody is hired

WITH read AS (
    SELECT
        count(read_number) FILTER (endpoint = 'job_offers') > 0 AS offers_known,
        if(count(read_number) FILTER (endpoint = 'job_applications') > 0, 0, NULL) AS no_applications,
        max(read_from) FILTER (endpoint = 'jobs') AS jobs_read_from
    FROM recruit_meta.latest
),
reopened AS (
    SELECT id, count(*) FILTER (is_reopened) AS reopened_times
    FROM (
        SELECT
            id,
            is_open(status, human_status, NULL, NULL, valid_from)
                AND NOT lag(is_open(status, human_status, NULL, NULL, valid_from)) OVER (
                    PARTITION BY id ORDER BY valid_from, valid_to NULLS LAST
                ) AS is_reopened
        FROM recruit_history.jobs
    )
    GROUP BY id
),
offers AS (
    SELECT job_id, open FROM recruit_marts.offers WHERE level = 'job'
),
interviews AS (
    SELECT job_id, bool_or(is_interview) AS has_interview FROM recruit_marts.stage_groups GROUP BY job_id
),
counted AS (
    SELECT
        job_id,
        any_value(job) AS job,
        count(*) AS n,
        count(*) FILTER (outcome = 'unknown') AS without_stage,
        count(*) FILTER (outcome = 'active') AS active,
        count(*) FILTER (outcome = 'active' AND stage_group = 'Interview') AS in_interview,
        count(*) FILTER (outcome = 'hired') AS hires,
        count(*) FILTER (hire_undone) AS hires_undone,
        min(hired_at) AS first_hire_at,
        max(applied_at) AS last_application_at
    FROM recruit_marts.applications
    GROUP BY job_id
),
jobs AS (
    SELECT
        j.id AS job_id,
        coalesce(nullif(trim(j.title), ''), 'Job ' || j.id) AS job,
        j.status,
        j.human_status,
        j._deleted_at IS NULL AND is_open(j.status, j.human_status, j.start_date, j.end_date, r.as_of) AS is_open,
        j.user_id AS recruiter_id,
        j.department_id,
        coalesce(j.location_id, j.locations_ids[1]) AS location_id,
        j.role_id,
        j.requisition_id,
        coalesce(j.start_date, j.created_at) AS opened_at,
        CASE WHEN j.start_date IS NOT NULL THEN 'start_date' WHEN j.created_at IS NOT NULL THEN 'created_at' END
            AS opened_known_from,
        r.as_of
    FROM recruit.jobs AS j
    CROSS JOIN (
        SELECT coalesce((SELECT max(as_of) FROM recruit_marts.applications), jobs_read_from) AS as_of
        FROM read
    ) AS r
),
facts AS (
    SELECT
        coalesce(j.job_id, c.job_id) AS job_id,
        coalesce(j.job, c.job) AS job,
        j.status,
        j.human_status,
        j.is_open,
        j.recruiter_id,
        j.department_id,
        name_of('department', d.name, j.department_id, j.job_id) AS department,
        j.location_id,
        name_of('location', coalesce(nullif(trim(l.name), ''), nullif(trim(l.city), '')), j.location_id, j.job_id)
            AS location,
        j.role_id,
        j.opened_at,
        j.opened_known_from,
        CASE WHEN j.is_open THEN days_between(j.opened_at, j.as_of) END AS days_open,
        h.reopened_times,
        q.number_of_openings AS openings,
        coalesce(c.n, r.no_applications) AS applications,
        coalesce(c.without_stage, r.no_applications) AS unknown,
        if_known(coalesce(c.active, 0), unknown, applications) AS active,
        CASE WHEN i.has_interview THEN if_known(coalesce(c.in_interview, 0), unknown, applications) END
            AS in_interview,
        CASE WHEN r.offers_known THEN coalesce(o.open, 0) END AS open_offers,
        if_known(coalesce(c.hires, 0), unknown, applications) AS hires,
        if_known(coalesce(c.hires_undone, 0), unknown, applications) AS hires_undone,
        if_known(c.first_hire_at, unknown, applications) AS first_hire_at,
        days_between(j.opened_at, if_known(c.first_hire_at, unknown, applications)) AS days_to_first_hire,
        c.last_application_at
    FROM jobs AS j
    FULL JOIN counted AS c ON c.job_id = j.job_id
    LEFT JOIN interviews AS i ON i.job_id = coalesce(j.job_id, c.job_id)
    LEFT JOIN reopened AS h ON h.id = j.job_id
    LEFT JOIN recruit.requisitions AS q ON q.id = j.requisition_id
    LEFT JOIN recruit.departments AS d ON d.id = j.department_id
    LEFT JOIN recruit.locations AS l ON l.id = j.location_id
    LEFT JOIN offers AS o ON o.job_id = coalesce(j.job_id, c.job_id)
    CROSS JOIN read AS r
)
SELECT *, CASE WHEN hires IS NOT NULL THEN is_open AND days_open > 60 AND hires = 0 END AS is_aging
FROM facts
ORDER BY applications DESC, job_id
