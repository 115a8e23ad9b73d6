-- Net promoter score of candidates: overall, and by month, department and stage.
--
-- The score is the share of scores of 9 and 10, minus the share of scores up to 6, times 100.
-- Caveats: the account needs the NPS add-on. A few scores mean little. Answers of deleted people
-- stay, without their comments.
--
-- Grain: level, month, department, stage
-- Check: coalesce(sum(scores) FILTER (level = 'company'), 0) = (SELECT count(*) FROM
--   recruit.nps_responses WHERE score BETWEEN 0 AND 10)
-- Check: coalesce(sum(asked), 0) = 4 * (SELECT count(*) FROM recruit.nps_responses)
-- Check: count(*) FILTER (nps NOT BETWEEN -100 AND 100 OR promoters + passives + detractors <>
--   scores) = 0
-- Picture: Net promoter score by month
-- Months:
--   SELECT month AS label, nps AS value
--   FROM recruit_marts.candidate_nps WHERE level = 'month' AND nps IS NOT NULL
--   AND month < (SELECT date_trunc('month', max(applied_at)) FROM recruit_marts.applications)
--   ORDER BY month
-- Columns:
--   level: What the row is for: company, month, department or stage
--   month: First day of the month of the score (UTC), if the level is month; null if not scored
--   department: Department of the job applied for, if the level is department
--   stage: Name of the stage asked about, if the level is stage; null if that is not known
--   asked: Questions sent
--   scores: Scores received
--   promoters: Scores of 9 and 10
--   passives: Scores of 7 and 8
--   detractors: Scores up to 6
--   response_rate: scores as a share of asked
--   nps: Net promoter score, -100 to 100; null without scores
--   mean_score: Mean of the scores, 0 to 10

WITH responses AS (
    SELECT
        CASE WHEN r.score BETWEEN 0 AND 10 THEN r.score END AS score,
        date_trunc('month', r.scored_at)::DATE AS month,
        coalesce(a.department, 'No department') AS department,
        nullif(trim(s.name), '') AS stage
    FROM recruit.nps_responses AS r
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
    department,
    stage,
    count(*) AS asked,
    count(score) AS scores,
    count(*) FILTER (score >= 9) AS promoters,
    count(*) FILTER (score >= 7 AND score < 9) AS passives,
    count(*) FILTER (score < 7) AS detractors,
    CASE WHEN asked > 0 THEN scores / asked END AS response_rate,
    CASE WHEN scores > 0 THEN 100 * (promoters - detractors) / scores END AS nps,
    avg(score) AS mean_score
FROM responses
GROUP BY GROUPING SETS ((), (month), (department), (stage))
ORDER BY ALL
