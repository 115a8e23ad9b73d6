-- Active applications that have not moved for 14 days: the applicants are waiting for an answer.
--
-- The limit is defined here. There are no names: look the application up by its id.
-- Caveats: applications for closed jobs count too, because their applicants are also waiting.
--
-- Grain: application_id
-- Check: count(*) = (SELECT count(*) FROM recruit.job_applications AS a LEFT JOIN recruit.stages
--   AS s ON s.id = a.stage_id WHERE a.rejected_at IS NULL AND a._deleted_at IS NULL AND
--   lower(coalesce(s.legacy_stage_type_name, s.stage_type, 'hired')) <> 'hired' AND
--   (SELECT max(entered_at) FROM recruit_marts.stage_spells AS p WHERE p.application_id = a.id) <=
--   (SELECT max(as_of) FROM recruit_marts.applications) - INTERVAL 14 DAY)
-- Picture: Applications that have not moved for 14 days, by department
-- Bars:
--   SELECT department AS label, count(*) AS value FROM recruit_marts.stuck_applications GROUP BY
--   department ORDER BY value DESC, department LIMIT 8
-- Columns:
--   application_id: Id in recruit.job_applications
--   job_id: Id in recruit.jobs
--   job: Title of the job
--   job_status: Status of the job
--   department: Department of the job
--   location: Location of the job
--   stage: Name of its stage
--   stage_type: Type of that stage
--   stage_since: When its stay in the stage began
--   days_in_stage: Days since then
--   recruiter_id: Id in recruit.users of the job's recruiter

SELECT
    application_id,
    job_id,
    job,
    job_status,
    department,
    location,
    stage,
    stage_type,
    stage_since,
    days_in_stage,
    recruiter_id
FROM recruit_marts.applications
WHERE outcome = 'active' AND days_in_stage >= 14
ORDER BY days_in_stage DESC, application_id
