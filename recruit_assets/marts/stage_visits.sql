-- Each stage that an application is known to have been in, with the start and the end.
--
-- A stage's type is defined here: Inbox, Hired, and In process for any other name.
-- A stage counts as an interview if its name says so, and so do the stages after it.
-- Caveats: the API shows only the current stage. Earlier ones are known from the first sync on. An
-- application that left a stage and returned has one visit, from the first entry to the last exit.
--
-- Grain: application_id, stage_id
-- Check: count(*) FILTER (is_current) = (SELECT count(*) FROM recruit.job_applications WHERE
--   stage_id IS NOT NULL)
-- Check: count(*) FILTER (days < 0) = 0
-- Picture: Median days in a stage
-- Bars:
--   SELECT stage AS label, median(days) AS value FROM recruit_marts.stage_visits WHERE days IS
--   NOT NULL AND stage IS NOT NULL GROUP BY stage ORDER BY count(*) DESC, stage LIMIT 8
-- Columns:
--   application_id: Id in recruit.job_applications
--   stage_id: Id in recruit.stages
--   stage: Name of the stage; null if the stage is not known
--   stage_type: Inbox, In process or Hired; null if the stage is not known
--   is_interview: Whether it is an interview, or comes after one
--   is_current: Whether it is the application's current or last stage
--   entered_at: When it entered the stage
--   left_at: When it moved on, was rejected there, or was deleted; null while it is there
--   days: Days from entering to leaving; null while it is there

WITH stages AS (
    SELECT
        id,
        nullif(trim(name), '') AS stage,
        CASE lower(trim(coalesce(legacy_stage_type_name, stage_type)))
            WHEN 'inbox' THEN 'Inbox'
            WHEN 'hired' THEN 'Hired'
            ELSE CASE WHEN coalesce(legacy_stage_type_name, stage_type) IS NOT NULL THEN 'In process' END
        END AS stage_type,
        coalesce(contains(lower(name), 'interview'), false) AS named_so,
        coalesce(row_order >= min(row_order) FILTER (named_so) OVER (PARTITION BY job_id), false)
            AS behind
    FROM recruit.stages
),
versions AS (
    -- Who moved and was rejected between two syncs has one version, of the rejection.
    SELECT
        id,
        stage_id,
        coalesce(changed_stage_at, valid_from) AS came_at,
        coalesce(lead(came_at) OVER (PARTITION BY id ORDER BY valid_from), valid_to) AS went_at
    FROM recruit_history.job_applications
),
seen AS (
    SELECT id, stage_id, min(came_at) AS came_at, max(went_at) AS went_at
    FROM versions
    GROUP BY id, stage_id
),
current_stages AS (
    SELECT
        id,
        stage_id,
        coalesce(changed_stage_at, created_at) AS came_at,
        coalesce(rejected_at, _deleted_at) AS went_at
    FROM recruit.job_applications
),
visits AS (
    SELECT
        id AS application_id,
        stage_id,
        least(s.came_at, c.came_at) AS entered_at,
        CASE WHEN c.id IS NULL THEN s.went_at ELSE c.went_at END AS left_at,
        c.id IS NOT NULL AS is_current
    FROM seen AS s
    FULL JOIN current_stages AS c USING (id, stage_id)
    WHERE stage_id IS NOT NULL
)
SELECT
    application_id,
    stage_id,
    stage,
    stage_type,
    coalesce(named_so OR behind, false) AS is_interview,
    is_current,
    entered_at,
    left_at,
    if(left_at < entered_at, 0, (epoch_ms(left_at) - epoch_ms(entered_at)) / 86_400_000) AS days
FROM visits
LEFT JOIN stages ON stages.id = visits.stage_id
