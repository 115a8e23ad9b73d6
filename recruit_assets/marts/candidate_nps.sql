-- Net promoter score of candidates: overall, and by month, department and stage.
--
-- The score is the share of scores of 9 and 10, minus the share of scores up to 6, times 100.
-- Caveats: the account needs the NPS add-on. Fewer than five scores are no net promoter score. Answers of deleted people
-- stay, without their comments.
--
-- Grain: level, month, department, stage
-- Check: coalesce(sum(scores) FILTER (level = 'company'), 0) = (SELECT count(*) FROM
--   recruit.nps_responses WHERE score BETWEEN 0 AND 10)
-- Check: coalesce(sum(asked), 0) = 4 * (SELECT count(*) FROM recruit.nps_responses)
-- Check: count(*) FILTER (nps NOT BETWEEN -100 AND 100 OR promoters + passives + detractors <>
--   scores) = 0
-- Level: company
-- Level: month: month, is_whole_month
-- Level: department: department
-- Level: stage: stage
-- Picture: Net promoter score by month
-- Months:
--   SELECT month AS label, nps AS value, scores AS n
--   FROM recruit_marts.candidate_nps WHERE level = 'month' AND is_whole_month AND nps IS NOT NULL
--   ORDER BY month
-- Columns:
--   level: What the row is for: company, month, department or stage
--   month: First day of the month of the score, if the level is month; null if not scored
--   is_whole_month: Whether the month is over as of the last reading, and is not the one of the first
--     score; null if the level is not month
--   department: Department of the job applied for, if the level is department
--   stage: Name of the stage asked about, if the level is stage; null if that is not known
--   asked: Questions sent
--   scores: Scores received
--   promoters: Scores of 9 and 10
--   passives: Scores of 7 and 8
--   detractors: Scores up to 6
--   response_rate: scores as a share of asked
--   nps: Net promoter score, -100 to 100; null with fewer than five scores
--   mean_score: Mean of the scores, 0 to 10

WITH responses AS (
    SELECT
        r.job_application_id AS application_id,
        CASE WHEN r.score BETWEEN 0 AND 10 THEN r.score END AS score,
        date_trunc('month', r.scored_at)::DATE AS month,
        date_trunc('month', if(r.score IS NULL, r.sent_at, r.scored_at))::DATE AS asked_month,
        coalesce(a.department, 'Not known') AS department,
        nullif(trim(s.name), '') AS stage,
        read.as_of,
        first.first_month
    FROM recruit.nps_responses AS r
    CROSS JOIN (
        SELECT coalesce(max(read_from), now()) AS as_of FROM recruit_meta.latest WHERE endpoint = 'nps_responses'
    ) AS read
    CROSS JOIN (SELECT date_trunc('month', min(scored_at)) AS first_month FROM recruit.nps_responses) AS first
    LEFT JOIN recruit_marts.applications AS a ON a.application_id = r.job_application_id
    LEFT JOIN recruit.stages AS s ON s.id = r.stage_id
)
SELECT
    CASE
        WHEN grouping(month) = 0 THEN 'month'
        WHEN grouping(department) = 0 THEN 'department'
        WHEN grouping(stage) = 0 THEN 'stage'
        ELSE 'company'
    END AS level,
    month,
    CASE
        WHEN grouping(month) = 0
        THEN month < date_trunc('month', any_value(as_of)) AND month > any_value(first_month)
    END AS is_whole_month,
    department,
    stage,
    count(*) AS asked,
    count(score) AS scores,
    count(*) FILTER (score >= 9) AS promoters,
    count(*) FILTER (score >= 7 AND score < 9) AS passives,
    count(*) FILTER (score < 7) AS detractors,
    CASE WHEN asked > 0 THEN scores / asked END AS response_rate,
    CASE WHEN scores >= 5 THEN 100 * (promoters - detractors) / scores END AS nps,
    avg(score) AS mean_score
FROM responses
GROUP BY GROUPING SETS ((), (month), (department), (stage))
ORDER BY ALL
