-- Active applications for open jobs that have not moved for long: the applicants await an answer.
--
-- How long is 14 days, or what the user's file of stages says of their stage. There are no names: look
-- the application up by its id.
-- Caveats: applications for jobs that are archived, expired, deleted or not open yet are not among them.
--
-- Grain: application_id
-- Check: count(*) = (SELECT count(*) FROM recruit_marts.applications WHERE outcome = 'active' AND
--   job_is_open AND days_in_stage >= stuck_after_days)
-- Check: count(*) FILTER (application_id IN (SELECT id FROM recruit.job_applications WHERE rejected_at
--   IS NOT NULL OR _deleted_at IS NOT NULL)) = 0
-- Picture: Applications that are stuck, by department
-- Bars:
--   SELECT department AS label, count(*) AS value FROM recruit_marts.stuck_applications GROUP BY
--   department ORDER BY value DESC, department LIMIT 8
-- Columns:
--   application_id: Id in recruit.job_applications
--   job_id: Id in recruit.jobs
--   job: Title of the job
--   job_human_status: Status of the job in words
--   department_id: Id in recruit.departments of the job's department
--   department: Department of the job
--   location_id: Id in recruit.locations of the job's location
--   location: Location of the job
--   role_id: Id in recruit.roles of the job's role
--   stage: Name of its stage
--   stage_type: Type of that stage
--   stage_since: When its stay in the stage began
--   days_in_stage: Days since then
--   stuck_after_days: Days after which it counts as stuck there
--   recruiter_id: Id in recruit.users of the job's recruiter

SELECT
    application_id,
    job_id,
    job,
    job_human_status,
    department_id,
    department,
    location_id,
    location,
    role_id,
    stage,
    stage_type,
    stage_since,
    days_in_stage,
    stuck_after_days,
    recruiter_id
FROM recruit_marts.applications
WHERE outcome = 'active' AND job_is_open AND days_in_stage >= stuck_after_days
ORDER BY days_in_stage DESC, application_id
