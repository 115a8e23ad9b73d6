-- The pipeline day by day: how many applications were in each group of stages, came and left.
--
-- `active` is a snapshot at the end of the day, and the other figures are events of the day: active on
-- the day before, plus those that entered, minus those that left in any way, are active on the day.
-- An application is in the pipeline while it is in a stage of type Inbox or In process and neither
-- rejected nor deleted. A move between two stages of one group is no event. One that is hired leaves;
-- if the hire is undone, it enters again, and so does one whose rejection is undone.
-- Caveats: the days are whole ones. The first is the one after the later of the first complete sync and
-- the beginning of the history: of earlier days, only those that were left by then are known. Without
-- activities, what began and ended between two syncs is not seen. A job counts for the department that it has now, and a stage
-- for its present group. There are no rows if more than 1 % of the stages are not known.
--
-- Grain: day, department_id, department, stage_group
-- Check: count(*) = (SELECT count(*) FROM (SELECT active - lag(active) OVER (PARTITION BY
--   department_id, department, stage_group ORDER BY day) AS change, entered - left_forward -
--   left_otherwise - rejected - gone - hired AS balance FROM recruit_marts.pipeline_daily) WHERE
--   change IS NULL OR change = balance)
-- Check: coalesce(sum(active) FILTER (day = (SELECT max(day) FROM recruit_marts.pipeline_daily)), 0) =
--   (SELECT count(*) FROM recruit_marts.stage_spells, (SELECT (max(day) + INTERVAL 1 DAY)::TIMESTAMPTZ
--   AS midnight FROM recruit_marts.pipeline_daily) WHERE stage_type <> 'Hired' AND entered_at <
--   midnight AND coalesce(left_at, 'infinity') >= greatest(midnight, entered_at))
-- Check: count(*) FILTER (least(active, entered, left_forward, left_otherwise, rejected, gone, hired)
--   < 0) = 0
-- Picture: Applications in the pipeline at the end of each month
-- Months:
--   SELECT date_trunc('month', day)::DATE AS label, sum(active) AS value
--   FROM recruit_marts.pipeline_daily WHERE day = last_day(day) GROUP BY day ORDER BY day
-- Columns:
--   day: The day, from midnight to midnight in the time zone of RECRUIT_TIME_ZONE
--   department_id: Id in recruit.departments of the department of the stage's job
--   department: Its name; No department, or Not known, as in recruit_marts.applications
--   stage_group: Group of the stages, as in recruit_marts.stage_groups, but not Hired; null for
--     stages In process whose group is not known
--   active: Applications there at the end of the day
--   entered: Those that came, by applying, by a move, or because something was undone
--   left_forward: Those that were moved to a later stage of the job, but not hired
--   left_otherwise: Those that were moved back, to another job, or to a stage that is not known
--   rejected: Those that were rejected there
--   gone: Those that were deleted there
--   hired: Those that were moved to a stage of type Hired

WITH known AS (
    SELECT max(since)::DATE AS first_day
    FROM (
        SELECT min(finished) AS since
        FROM recruit_meta.syncs
        WHERE endpoint = 'job_applications' AND verdict = 'complete'
        UNION ALL
        SELECT min(seen_at) FROM recruit_history.job_applications
    )
    HAVING count(since) = 2 AND (
        SELECT if_known(true, count(*) FILTER (outcome = 'unknown'), count(*)) FROM recruit_marts.applications
    )
),
days AS (
    SELECT first_day, unnest(generate_series(first_day, last_day - 1, INTERVAL 1 DAY))::DATE AS day
    FROM known
    CROSS JOIN (SELECT max(as_of)::DATE AS last_day FROM recruit_marts.applications)
),
stages AS (
    SELECT
        g.stage_id,
        g.stage_type <> 'Hired' AS is_inside,
        j.department_id,
        name_of('department', d.name, j.department_id, j.id) AS department,
        g.stage_group,
        -- A number for each department and group of stages.
        dense_rank() OVER (ORDER BY j.department_id, department, g.stage_group) AS place
    FROM recruit_marts.stage_groups AS g
    LEFT JOIN recruit.jobs AS j ON j.id = g.job_id
    LEFT JOIN recruit.departments AS d ON d.id = j.department_id
),
places AS (
    SELECT DISTINCT place, department_id, department, stage_group FROM stages
),
stays AS (
    SELECT s.*, g.place, g.is_inside
    FROM recruit_marts.stage_spells AS s
    LEFT JOIN stages AS g USING (stage_id)
    -- One that was moved after it was rejected never was in that stage of the pipeline.
    WHERE coalesce(s.left_at >= s.entered_at, true)
),
ways AS (
    SELECT
        *,
        lag(ended) OVER story = 'moved' AND lag(left_at) OVER story = entered_at
            AND lag(place) OVER story = place AND lag(is_inside) OVER story AS was_there,
        ended = 'moved' AND lead(entered_at) OVER story = left_at AS is_moved,
        is_moved AND lead(place) OVER story = place AND lead(is_inside) OVER story AS stays_there,
        is_moved AND lead(stage_type) OVER story = 'Hired' AS is_hired
    FROM stays
    WINDOW story AS (PARTITION BY application_id ORDER BY spell)
),
events AS (
    SELECT place, entered_at AS moment, 'entered' AS event
    FROM ways
    WHERE is_inside AND was_there IS NOT TRUE
    UNION ALL
    SELECT
        place,
        left_at,
        CASE
            WHEN ended <> 'moved' THEN ended
            WHEN is_hired THEN 'hired'
            WHEN is_moved AND direction = 'forward' THEN 'left_forward'
            ELSE 'left_otherwise'
        END
    FROM ways
    WHERE is_inside AND left_at IS NOT NULL AND stays_there IS NOT TRUE
),
counted AS (
    SELECT place, greatest(moment::DATE, first_day) AS day, event, count(*) AS n
    FROM events
    CROSS JOIN known
    GROUP BY ALL
),
flows AS (
    SELECT
        p.place,
        d.day,
        d.first_day,
        coalesce(sum(c.n) FILTER (event = 'entered'), 0)::BIGINT AS entered,
        coalesce(sum(c.n) FILTER (event = 'left_forward'), 0)::BIGINT AS left_forward,
        coalesce(sum(c.n) FILTER (event = 'left_otherwise'), 0)::BIGINT AS left_otherwise,
        coalesce(sum(c.n) FILTER (event = 'rejected'), 0)::BIGINT AS rejected,
        coalesce(sum(c.n) FILTER (event = 'gone'), 0)::BIGINT AS gone,
        coalesce(sum(c.n) FILTER (event = 'hired'), 0)::BIGINT AS hired
    FROM days AS d
    CROSS JOIN (SELECT DISTINCT place FROM counted) AS p
    LEFT JOIN counted AS c ON c.place = p.place AND c.day = d.day
    GROUP BY ALL
)
SELECT
    day,
    department_id,
    department,
    stage_group,
    (sum(entered - left_forward - left_otherwise - rejected - gone - hired) OVER (
        PARTITION BY place ORDER BY day
    ))::BIGINT AS active,
    entered,
    left_forward,
    left_otherwise,
    rejected,
    gone,
    hired
FROM flows
JOIN places USING (place)
QUALIFY day > first_day
ORDER BY ALL
