-- Every stage of the jobs: its type, its group, and whether it is an interview.
--
-- A stage's type is defined here: Inbox, Hired, and In process for any other name. So is its group:
-- the type if it is Inbox or Hired, else what the user's file of stages says, else what the name says
-- in English or Swedish, else it is not known. An interview is a stage of that group, and so are
-- the stages after it; where a job has none, it is not known who was interviewed.
-- Caveats: it is a snapshot: groups follow from the present names. Deleted stages stay.
--
-- Grain: stage_id
-- Check: count(*) = (SELECT count(*) FROM recruit.stages)
-- Check: count(*) FILTER (stage_type IN ('Inbox', 'Hired') AND stage_group <> stage_type) = 0
-- Picture: Stages by group
-- Bars:
--   SELECT coalesce(stage_group, 'not known') AS label, count(*) AS value
--   FROM recruit_marts.stage_groups GROUP BY label ORDER BY value DESC, label
-- Columns:
--   stage_id: Id in recruit.stages
--   job_id: Id in recruit.jobs of the stage's job
--   row_order: Where it is among the stages of the job
--   stage: Its name
--   stage_type: Inbox, In process or Hired; null if it has none
--   stage_group: Inbox, Screening, Interview, Assessment, Offer or Hired; null if that is not known
--   is_interview: Whether it is an interview, or comes after one; null if the job has none

WITH typed AS (
    SELECT
        id AS stage_id,
        job_id,
        row_order,
        nullif(trim(name), '') AS stage,
        CASE lower(trim(coalesce(legacy_stage_type_name, stage_type)))
            WHEN 'inbox' THEN 'Inbox'
            WHEN 'hired' THEN 'Hired'
            ELSE CASE WHEN coalesce(legacy_stage_type_name, stage_type) IS NOT NULL THEN 'In process' END
        END AS stage_type,
        lower(trim(name)) AS label
    FROM recruit.stages
),
grouped AS (
    SELECT
        t.*,
        CASE
            WHEN t.stage_type IN ('Inbox', 'Hired') THEN t.stage_type
            WHEN r.stage_group IS NOT NULL THEN r.stage_group
            WHEN regexp_matches(t.label, 'interview|intervju') THEN 'Interview'
            WHEN regexp_matches(t.label, '\boffer|erbjudande|\bcontract|kontrakt|avtal') THEN 'Offer'
            WHEN regexp_matches(t.label, '\btest|assessment|\bcase\b|arbetsprov') THEN 'Assessment'
            WHEN regexp_matches(t.label, 'screen|urval|\bphone|telefon|\breview|granskning')
            THEN 'Screening'
        END AS stage_group
    FROM typed AS t
    LEFT JOIN recruit_meta.stage_rules AS r ON r.stage = t.label
)
SELECT
    stage_id,
    job_id,
    row_order,
    stage,
    stage_type,
    stage_group,
    row_order >= min(row_order) FILTER (stage_group = 'Interview') OVER (PARTITION BY job_id)
        AS is_interview
FROM grouped
ORDER BY job_id, row_order, stage_id
