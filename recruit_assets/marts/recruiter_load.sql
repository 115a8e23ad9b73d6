-- Workload of each user: open jobs, active applications, open and overdue todos.
--
-- Caveats: jobs and applications count for the job's recruiter, todos for their assignee. Users
-- without any have no row; the row without a user has those that belong to nobody.
--
-- Grain: user_id
-- Check: coalesce(sum(open_jobs), 0) = (SELECT count(*) FROM recruit.jobs WHERE
--   _deleted_at IS NULL AND is_open(status, human_status, start_date, end_date, coalesce((SELECT
--   max(as_of) FROM recruit_marts.applications), (SELECT max(read_from) FROM recruit_meta.latest WHERE
--   endpoint = 'jobs'))))
-- Check: coalesce(sum(open_todos), 0) = (SELECT count(*) FROM recruit.todos WHERE completed_at
--   IS NULL AND _deleted_at IS NULL)
-- Check: coalesce(sum(active_applications), 0) = (SELECT count(*) FROM
--   recruit_marts.applications WHERE outcome = 'active')
-- Check: count(*) FILTER (overdue_todos > open_todos OR stuck_applications >
--   active_applications) = 0
-- Picture: Active applications by recruiter's user id
-- Bars:
--   SELECT coalesce('User ' || user_id, 'Nobody') AS label, active_applications AS value FROM
--   recruit_marts.recruiter_load WHERE active_applications > 0 ORDER BY value DESC, user_id
--   LIMIT 8
-- Columns:
--   user_id: Id in recruit.users; null for items of nobody
--   open_jobs: Jobs that are published or unlisted, have begun, have not ended and are not deleted
--   active_applications: Active applications for the user's jobs
--   stuck_applications: Those in recruit_marts.stuck_applications
--   open_todos: Todos that are not completed
--   overdue_todos: Those that were due before the day of the sync

WITH desk AS (
    SELECT user_id, 'job' AS what, false AS late
    FROM recruit.jobs
    CROSS JOIN (
        SELECT coalesce((SELECT max(as_of) FROM recruit_marts.applications), max(read_from)) AS as_of
        FROM recruit_meta.latest
        WHERE endpoint = 'jobs'
    )
    WHERE _deleted_at IS NULL AND is_open(status, human_status, start_date, end_date, as_of)
    UNION ALL
    SELECT a.recruiter_id, 'application', s.application_id IS NOT NULL
    FROM recruit_marts.applications AS a
    LEFT JOIN recruit_marts.stuck_applications AS s USING (application_id)
    WHERE a.outcome = 'active'
    UNION ALL
    SELECT assignee_id, 'todo', due < synced.today
    FROM recruit.todos
    CROSS JOIN (
        SELECT coalesce(max(
            CASE WHEN proven_at - values_as_of > INTERVAL 1 MINUTE THEN values_as_of
            ELSE read_from END
        ), now())::DATE AS today
        FROM recruit_meta.latest
        WHERE endpoint = 'todos'
    ) AS synced
    WHERE completed_at IS NULL AND _deleted_at IS NULL
)
SELECT
    user_id,
    count(*) FILTER (what = 'job') AS open_jobs,
    count(*) FILTER (what = 'application') AS active_applications,
    count(*) FILTER (what = 'application' AND late) AS stuck_applications,
    count(*) FILTER (what = 'todo') AS open_todos,
    count(*) FILTER (what = 'todo' AND late) AS overdue_todos
FROM desk
GROUP BY user_id
ORDER BY active_applications DESC, user_id
