-- Each unbroken stay of an application in a stage: when it began, when it ended, and how.
--
-- A stay ends when the application is moved, rejected or deleted. If a rejection or a deletion is
-- undone, another stay begins, even in the same stage: when a sync first saw it.
-- The API shows only the current stage, so earlier ones are known from the first sync on. If the
-- account syncs `activities`, the stays before it, and those that began and ended between two syncs,
-- are told by the moves in recruit_marts.application_actions. Moves count only if they lead, one after
-- the other, from the stay that was seen before, or from applying, to the next one that was seen, at
-- the time that the API gives for it, and if nobody rejected the application in between. Otherwise the
-- application has the stays that syncs saw, and no others. The first stay is told only if an activity
-- tells that the application was made.
-- Caveats: without activities, what began and ended between two syncs is not seen. Days are null where
-- the end is before the start, as of an application that was moved after it was rejected.
--
-- Grain: application_id, spell
-- Check: count(*) FILTER (next_stage_id IS NULL AND (application_id, stage_id) IN (SELECT (id,
--   stage_id) FROM recruit.job_applications)) = (SELECT count(*) FROM recruit.job_applications WHERE
--   stage_id IS NOT NULL)
-- Check: count(*) = (SELECT count(*) FROM (SELECT entered_at < lag(coalesce(left_at, 'infinity'))
--   OVER (PARTITION BY application_id ORDER BY spell) AS early FROM recruit_marts.stage_spells)
--   WHERE early IS NOT TRUE)
-- Check: count(*) FILTER (days < 0 OR (ended = 'there') <> (left_at IS NULL)) = 0
-- Picture: Median days until an application moves on
-- Bars:
--   SELECT stage AS label, median(days) AS value, count(days) AS n FROM recruit_marts.stage_spells
--   WHERE ended = 'moved' AND stage IS NOT NULL AND stage_type <> 'Hired' GROUP BY stage
--   HAVING n >= 10 ORDER BY n DESC, stage LIMIT 8
-- Columns:
--   application_id: Id in recruit.job_applications
--   spell: Number of the stay among those of the application
--   job_id: Id in recruit.jobs of the stage's job; null if the stage is not known
--   stage_id: Id in recruit.stages
--   stage: Name of the stage; null if the stage is not known
--   stage_type: Inbox, In process or Hired; null if the stage is not known
--   stage_group: Group of the stage, as defined in recruit_marts.stage_groups; null if not known
--   is_interview: Whether it is an interview, or comes after one; null if the job has none
--   entered_at: When the stay began
--   left_at: When it ended; null while the application is there
--   days: Days from the start to the end; null while it is there
--   ended: How it ended: moved, rejected or gone (deleted); there if it has not
--   next_stage_id: Id of the stage of the next stay; null for the last stay
--   direction: forward or back, if it was moved within the job's stages
--   is_reopened: Whether it began by undoing a rejection or a deletion
--   known_from: activity, if only the API's activities tell it; record, if the application was in the
--     stage when it was first read; else history

WITH last_versions AS (
    SELECT id, arg_max_null(stage_id, valid_from) AS stage_id, max(valid_from) AS valid_from
    FROM recruit_history.job_applications
    GROUP BY id
),
versions AS (
    SELECT id, stage_id, changed_stage_at, rejected_at, valid_from, valid_to, 0 AS place
    FROM recruit_history.job_applications
    UNION ALL
    -- What the history lacks, such as the applications of a file that is older than it.
    SELECT
        a.id,
        a.stage_id,
        a.changed_stage_at,
        a.rejected_at,
        greatest(coalesce(a.changed_stage_at, a.created_at), v.valid_from) AS valid_from,
        a._deleted_at AS valid_to,
        1 AS place
    FROM recruit.job_applications AS a
    LEFT JOIN last_versions AS v ON v.id = a.id
    WHERE v.id IS NULL OR v.stage_id IS DISTINCT FROM a.stage_id
),
marked AS (
    SELECT
        *,
        lag(id) OVER story IS NULL AS is_first,
        lag(rejected_at) OVER story IS NOT NULL AND rejected_at IS NULL
            OR coalesce(lag(valid_to) OVER story < valid_from, false) AS is_back,
        is_first OR is_back
            OR stage_id IS DISTINCT FROM lag(stage_id) OVER story
            OR changed_stage_at IS DISTINCT FROM lag(changed_stage_at) OVER story AS begins
    FROM versions
    WINDOW story AS (PARTITION BY id ORDER BY valid_from, valid_to NULLS LAST, place)
),
numbered AS (
    SELECT *, count(*) FILTER (begins) OVER (PARTITION BY id ORDER BY valid_from, valid_to NULLS LAST, place) AS spell
    FROM marked
),
stays AS (
    SELECT
        id,
        spell,
        any_value(stage_id) AS stage_id,
        any_value(changed_stage_at) AS came_at,
        min(valid_from) AS seen_from,
        min(rejected_at) AS rejected_at,
        if(bool_or(valid_to IS NULL), NULL, max(valid_to)) AS closed_at,
        bool_or(is_back AND begins) AS is_back,
        bool_or(is_first) AS is_first
    FROM numbered
    GROUP BY id, spell
),
moves AS (
    -- If it was not moved since the last stay, it came back, and only the sync knows when.
    SELECT
        *,
        if(came_at IS DISTINCT FROM lag(came_at) OVER (PARTITION BY id ORDER BY spell), came_at, NULL)
            AS moved_at
    FROM stays
),
begun AS (
    SELECT
        *,
        max(coalesce(moved_at, seen_from)) OVER (PARTITION BY id ORDER BY spell) AS entered_at
    FROM moves
),
made AS (
    SELECT application_id AS id, min(acted_at) AS made_at
    FROM recruit_marts.application_actions
    WHERE code IN ('created', 'sourced')
    GROUP BY application_id
),
told AS (
    -- Moves and rejections, each with the next stay that was seen to begin by a move.
    SELECT a.*, b.spell
    FROM (
        SELECT
            *,
            application_id AS id,
            if(code = 'stage', acted_at - INTERVAL 1 MINUTE, acted_at) AS earliest
        FROM recruit_marts.application_actions
        WHERE code IN ('stage', 'rejected')
    ) AS a
    ASOF JOIN (FROM begun WHERE moved_at IS NOT NULL) AS b ON a.id = b.id AND a.earliest <= b.entered_at
),
steps AS (
    SELECT
        t.id,
        t.spell,
        t.acted_at,
        t.from_stage_id,
        t.to_stage_id,
        n.entered_at,
        row_number() OVER way AS step,
        row_number() OVER (PARTITION BY t.id, t.spell ORDER BY t.acted_at DESC, length(t.activity_id) DESC, t.activity_id DESC)
            = 1 AS is_last,
        t.code = 'stage'
            AND NOT n.is_back
            AND coalesce(n.rejected_at >= n.entered_at, true)
            AND CASE
                WHEN step > 1 THEN t.from_stage_id = lag(t.to_stage_id) OVER way
                WHEN p.id IS NOT NULL THEN t.from_stage_id = p.stage_id AND t.acted_at >= p.entered_at
                ELSE true
            END
            AND (
                NOT is_last
                OR t.to_stage_id = n.stage_id AND abs(epoch(t.acted_at) - epoch(n.entered_at)) <= 60
            ) AS fits
    FROM told AS t
    JOIN begun AS n ON n.id = t.id AND n.spell = t.spell
    LEFT JOIN begun AS p ON p.id = t.id AND p.spell = t.spell - 1
    WINDOW way AS (PARTITION BY t.id, t.spell ORDER BY t.acted_at, length(t.activity_id), t.activity_id)
),
ways AS (
    SELECT *
    FROM steps
    QUALIFY bool_and(coalesce(fits, false)) OVER (PARTITION BY id, spell)
),
filled AS (
    SELECT id, spell, NULL AS step, stage_id, entered_at, seen_from, rejected_at, closed_at, is_back,
        if(is_first, 'record', 'history') AS known_from
    FROM begun
    UNION ALL
    SELECT id, spell, step, to_stage_id, least(acted_at, entered_at), acted_at, NULL, NULL, false, 'activity'
    FROM ways
    WHERE NOT is_last
    UNION ALL
    -- Where it was since it was made.
    SELECT w.id, w.spell, 0, w.from_stage_id, least(a.created_at, w.acted_at, w.entered_at), a.created_at, NULL, NULL, false,
        'activity'
    FROM ways AS w
    JOIN made AS m ON m.id = w.id AND m.made_at <= w.acted_at + INTERVAL 1 MINUTE
    JOIN recruit.job_applications AS a ON a.id = w.id
    WHERE w.step = 1 AND w.spell = 1 AND w.from_stage_id IS NOT NULL AND a.created_at IS NOT NULL
),
ends AS (
    SELECT
        *,
        row_number() OVER story AS number,
        lead(stage_id) OVER story AS next_stage_id,
        lead(entered_at) OVER story AS next_entered_at,
        -- An application that is moved and rejected between two syncs has one version for both.
        coalesce(
            rejected_at,
            CASE WHEN lead(rejected_at) OVER story < next_entered_at THEN lead(rejected_at) OVER story END
        ) AS turned_down_at,
        CASE
            WHEN turned_down_at IS NOT NULL THEN 'rejected'
            -- One that is missed only after a move left its stage by moving.
            WHEN closed_at < lead(seen_from, 1, 'infinity') OVER story
                AND closed_at <= coalesce(next_entered_at, 'infinity') THEN 'gone'
            WHEN next_entered_at IS NOT NULL THEN 'moved'
            ELSE 'there'
        END AS ended,
        least(
            CASE ended WHEN 'rejected' THEN turned_down_at WHEN 'gone' THEN closed_at ELSE next_entered_at END,
            next_entered_at
        ) AS left_at
    FROM filled
    WINDOW story AS (PARTITION BY id ORDER BY spell, step NULLS LAST)
)
SELECT
    e.id AS application_id,
    e.number AS spell,
    s.job_id,
    e.stage_id,
    s.stage,
    s.stage_type,
    s.stage_group,
    s.is_interview,
    e.entered_at,
    e.left_at,
    days_between(e.entered_at, e.left_at) AS days,
    e.ended,
    e.next_stage_id,
    CASE
        WHEN e.ended <> 'moved' OR n.job_id IS DISTINCT FROM s.job_id THEN NULL
        WHEN n.row_order > s.row_order THEN 'forward'
        WHEN n.row_order < s.row_order THEN 'back'
    END AS direction,
    e.is_back AS is_reopened,
    e.known_from
FROM ends AS e
LEFT JOIN recruit_marts.stage_groups AS s ON s.stage_id = e.stage_id
LEFT JOIN recruit_marts.stage_groups AS n ON n.stage_id = e.next_stage_id
WHERE e.stage_id IS NOT NULL
