-- Why applications are rejected, in which stage, and whether by the company or the candidate.
--
-- Caveats: reasons have names only if the key may read /reject-reasons. The stage is the
-- application's last one: where it was rejected, unless it was moved afterwards.
--
-- Grain: reject_reason_id, stage, stage_type
-- Check: coalesce(sum(rejections), 0) = (SELECT count(*) FROM recruit.job_applications WHERE
--   rejected_at IS NOT NULL)
-- Check: count(*) = 0 OR abs(sum(rejection_share) - 1) < 1e-9
-- Picture: Rejections by reason
-- Bars:
--   SELECT reason AS label, sum(rejections) AS value FROM recruit_marts.rejections GROUP BY
--   reason ORDER BY value DESC, reason LIMIT 8
-- Columns:
--   reject_reason_id: Id of the reason; null if none was given
--   reason: The reason; its id, if the name is not known
--   decided_by: company or candidate; null if that is not known
--   stage: Name of the stage
--   stage_type: Type of the stage: Inbox, In process or Hired
--   rejections: Applications that were rejected there for that reason
--   rejection_share: Share of all rejections
--   median_days_to_reject: Median of the days from applying to the rejection
--   with_days_to_reject: Rejections that the median is of

SELECT
    a.reject_reason_id,
    coalesce(nullif(trim(any_value(r.reason)), ''), 'Reason ' || a.reject_reason_id, 'No reason given')
        AS reason,
    CASE any_value(r.rejected_by_company) WHEN true THEN 'company' WHEN false THEN 'candidate' END
        AS decided_by,
    a.stage,
    a.stage_type,
    count(*) AS rejections,
    count(*) / sum(count(*)) OVER () AS rejection_share,
    median(a.days_to_reject) AS median_days_to_reject,
    count(a.days_to_reject) AS with_days_to_reject
FROM recruit_marts.applications AS a
LEFT JOIN recruit.reject_reasons AS r ON r.id = a.reject_reason_id
WHERE a.outcome = 'rejected'
GROUP BY a.reject_reason_id, a.stage, a.stage_type
ORDER BY rejections DESC, reason, stage, stage_type
