-- What was done with each application, as the API's activities tell it: moves, rejections, notes,
-- meetings and so on. There are no rows unless the account syncs `activities`, and has read all of them
-- completely once: with some of them, what happened first would not be known.
--
-- An activity names a job and a candidate. It belongs to the application of that candidate for that
-- job; if they have several, nobody can say to which, and none of theirs is here. Deleted activities
-- stay. `is_response` is what answers an applicant: a move, a rejection, a note or a meeting, unless a
-- trigger did it. A message is none, because the API does not say whether the company wrote it.
-- Caveats: an API that does not say what triggers do lets it count as done by somebody.
--
-- Grain: activity_id
-- Check: count(*) = (SELECT count(*) FROM recruit.activities JOIN (SELECT job_id, candidate_id FROM
--   recruit.job_applications GROUP BY ALL HAVING count(*) = 1) USING (job_id, candidate_id) WHERE
--   created_at IS NOT NULL AND EXISTS (SELECT 1 FROM recruit_meta.latest WHERE endpoint = 'activities'
--   AND complete_at IS NOT NULL))
-- Check: count(*) FILTER (is_response AND is_automatic) = 0
-- Expect: count(*) FILTER (NOT leads_to_stage) <= 0.01 * count(leads_to_stage)
-- Picture: What is done with applications
-- Bars:
--   SELECT code AS label, count(*) AS value FROM recruit_marts.application_actions
--   GROUP BY code ORDER BY value DESC, code LIMIT 8
-- Columns:
--   activity_id: Id in recruit.activities
--   application_id: Id in recruit.job_applications
--   job_id: Id in recruit.jobs
--   code: What was done, as the API names it: created, stage (a move), rejected, note and so on
--   acted_at: When
--   from_stage_id: Id of the stage that a move left
--   to_stage_id: Id of the stage that a move led to
--   is_automatic: Whether a trigger of the account did it; null if the API does not say
--   is_response: Whether it answers the applicant
--   leads_to_stage: Of the last move of an application, whether it led to the stage where the
--     application is; null for all others

WITH owners AS (
    SELECT job_id, candidate_id, any_value(id) AS application_id, any_value(stage_id) AS stage_id
    FROM recruit.job_applications
    WHERE job_id IS NOT NULL AND candidate_id IS NOT NULL
    GROUP BY job_id, candidate_id
    HAVING count(*) = 1
)
SELECT
    a.id AS activity_id,
    o.application_id,
    a.job_id,
    a.code,
    a.created_at AS acted_at,
    a.from_stage_id,
    a.to_stage_id,
    a.from_trigger AS is_automatic,
    coalesce(
        a.from_trigger IS NOT TRUE AND (
            a.code IN ('stage', 'rejected', 'note')
            -- The candidate's own answer to an invitation is none.
            OR starts_with(a.code, 'meeting_event_') AND a.code <> 'meeting_event_candidate_status_changed'
        ),
        false
    ) AS is_response,
    CASE
        WHEN a.code = 'stage' AND lead(a.id) OVER (
            PARTITION BY o.application_id, a.code ORDER BY a.created_at, length(a.id), a.id
        ) IS NULL
        THEN coalesce(a.to_stage_id = o.stage_id, false)
    END AS leads_to_stage
FROM recruit.activities AS a
JOIN owners AS o USING (job_id, candidate_id)
WHERE a.created_at IS NOT NULL
    AND EXISTS (SELECT 1 FROM recruit_meta.latest WHERE endpoint = 'activities' AND complete_at IS NOT NULL)
ORDER BY o.application_id, acted_at, length(a.id), a.id
