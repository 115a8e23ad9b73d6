"""SQL for the rows that the page carries, and for the lists that they refer to.

The definitions are those of the marts: the queries go on from the steps of a mart's own SQL. Each
number is whole and not negative, so that 0 can stand for what is not known.
"""

from recruit_assets.marts.mart import MARTS

WINDOW = 24  # months that the page carries if there are very many applications
_OUTCOMES = ["active", "hired", "rejected", "gone", "unknown"]
_STEPS = {
    mart.name: mart.steps for mart in MARTS if mart.name in ("funnel", "offers", "candidate_nps")
}
_HIRED = 1_000_000_000  # where hired applications are, beyond all stages


def _month(moment: str) -> str:
    """Return SQL for the number of a month since year 0; 0 if it is not known."""
    return f"coalesce(12 * year({moment}) + month({moment}) - 1, 0)"


def _exact(days: str) -> str:
    """Return SQL for the milliseconds of a duration, plus one; 0 if it is not known."""
    return f"coalesce(round({days} * 86_400_000)::BIGINT + 1, 0)"


def steps_of(number: str) -> str:
    """Return SQL for the difference to the row before, as a number that is not negative."""
    step = f"({number} - lag({number}, 1, 0) OVER (ORDER BY row NULLS FIRST))"
    return f"if({step} < 0, -2 * {step} - 1, 2 * {step})"


# Each is a table for the next ones, and for TABLES.
PREPARED = {
    "page_since": f"""
        SELECT CASE WHEN count(*) > $max_whole
            THEN date_trunc('month', max(as_of)) - INTERVAL {WINDOW} MONTH END AS since
        FROM recruit_marts.applications
    """,
    "page_jobs": """
        SELECT row_number() OVER (ORDER BY department, job, job_id) - 1 AS code, *
        FROM (
            SELECT DISTINCT job_id, job, department, job_is_open FROM recruit_marts.applications
            UNION
            SELECT NULL, NULL, 'Not known', false
        )
    """,
    "page_sources": """
        SELECT row_number() OVER (ORDER BY source_type, source) - 1 AS code, *
        FROM (SELECT source_type, source FROM recruit_marts.applications UNION SELECT NULL, NULL)
    """,
    "page_reasons": """
        SELECT row_number() OVER (ORDER BY reason, reject_reason_id) - 1 AS code, *
        FROM (
            SELECT reject_reason_id, reason, any_value(decided_by) AS decided_by
            FROM recruit_marts.rejections GROUP BY reject_reason_id, reason
        )
    """,
    # What has happened since then, and what is active now.
    "page_rows": f"""
        {_STEPS["funnel"]}
        SELECT
            row_number() OVER (
                ORDER BY try_cast(a.application_id AS BIGINT), a.application_id
            ) AS row,
            a.application_id,
            a.candidate_id,
            a.outcome,
            a.hire_undone,
            a.interviewed,
            a.applied_at,
            a.hired_at,
            a.rejected_at,
            a.days_to_hire,
            a.days_to_fill,
            a.days_in_stage,
            a.stuck_after_days,
            a.stage,
            r.reached,
            j.code AS job_code,
            s.code AS source_code,
            e.code AS reason_code
        FROM recruit_marts.applications AS a
        CROSS JOIN page_since
        JOIN reached AS r USING (application_id)
        JOIN page_jobs AS j ON j.job_id IS NOT DISTINCT FROM a.job_id
        JOIN page_sources AS s ON s.source_type IS NOT DISTINCT FROM a.source_type
            AND s.source IS NOT DISTINCT FROM a.source
        LEFT JOIN page_reasons AS e ON a.outcome = 'rejected'
            AND e.reject_reason_id IS NOT DISTINCT FROM a.reject_reason_id
        WHERE since IS NULL OR a.outcome = 'active'
            OR greatest(a.applied_at, a.hired_at, a.rejected_at) >= since
            OR a.application_id IN (
                SELECT job_application_id FROM recruit.job_offers
                WHERE sent_at >= (FROM page_since)
                UNION
                SELECT job_application_id FROM recruit.nps_responses
                WHERE coalesce(scored_at, sent_at) >= (FROM page_since)
            )
    """,
    "page_stages": """
        SELECT row_number() OVER (ORDER BY stage) AS code, stage
        FROM page_rows
        WHERE outcome = 'active' AND days_in_stage >= stuck_after_days AND stage IS NOT NULL
        GROUP BY stage
    """,
}
_ROW = steps_of("coalesce(row, 0)")
TABLES = {
    "applications": f"""
        SELECT
            job_code AS job,
            source_code AS source,
            {_month("applied_at")} AS applied,
            {_month("hired_at")} AS hired,
            {_month("rejected_at")} AS rejected,
            list_position({_OUTCOMES}, outcome) - 1 AS outcome,
            coalesce(hire_undone, false)::BIGINT AS undone,
            coalesce(interviewed::BIGINT + 1, 0) AS interviewed,
            if(reached IS NULL, 0, least(reached, {_HIRED})::BIGINT + 2) AS reached,
            coalesce(reason_code, 0) AS reason,
            {_exact("days_to_hire")} AS hire,
            {_exact("days_to_fill")} AS fill
        FROM page_rows
        ORDER BY row
    """,
    "offers": f"""
        {_STEPS["offers"]}
        SELECT
            {_ROW} AS application,
            {_month("month")} AS month,
            CASE
                WHEN is_accepted THEN 0
                WHEN is_declined THEN 1
                WHEN is_withdrawn THEN 2
                WHEN is_expired THEN 3
                WHEN is_open THEN 4
                ELSE 5
            END AS answer,
            is_last::BIGINT AS last,
            {_exact("days")} AS days
        FROM offers AS o
        CROSS JOIN page_since
        LEFT JOIN page_rows AS r USING (application_id)
        WHERE is_sent AND (since IS NULL OR month >= since)
        ORDER BY row NULLS FIRST
    """,
    "scores": f"""
        {_STEPS["candidate_nps"]}
        SELECT
            {_ROW} AS application,
            {_month("asked_month")} AS month,
            coalesce(round(score * 1000)::BIGINT + 1, 0) AS score
        FROM responses
        CROSS JOIN page_since
        LEFT JOIN page_rows AS r USING (application_id)
        WHERE since IS NULL OR asked_month >= since
        ORDER BY row NULLS FIRST
    """,
    "stuck": f"""
        SELECT
            {_ROW} AS application,
            {_exact("days_in_stage")} AS days,
            stuck_after_days AS after,
            coalesce(code, 0) AS stage
        FROM page_rows
        LEFT JOIN page_stages USING (stage)
        WHERE outcome = 'active' AND days_in_stage >= stuck_after_days
        ORDER BY row
    """,
}
LADDERS = f"""
    {_STEPS["funnel"]}
    SELECT
        code,
        list([
            coalesce(list_position(
                ['Inbox', '', 'Screening', 'Interview', 'Assessment', 'Offer', 'Hired'], stage_group
            ), 2),
            least(first, {_HIRED}) + 2,
            least(last, {_HIRED}) + 2
        ]::BIGINT[] ORDER BY first) AS ladder
    FROM stages
    JOIN page_jobs ON page_jobs.job_id IS NOT DISTINCT FROM stages.job_id
    GROUP BY code
"""
SCOPE = f"""
    SELECT
        {_month("(FROM page_since)")} AS since,
        {_month("max(as_of)")} AS now,
        {_month("min(applied_at)")} AS first,
        count(*) AS total,
        (
            SELECT [coalesce(12 * year(min(month)) + month(min(month)) - 1, 0),
                coalesce(12 * year(max(month)) + month(max(month)) - 1, 0)]
            FROM recruit_marts.candidate_nps WHERE level = 'month' AND is_whole_month
        ) AS scored
    FROM recruit_marts.applications
"""
LISTS = {
    "sources": "SELECT source_type, source FROM page_sources ORDER BY code",
    "reasons": "SELECT reason, decided_by FROM page_reasons ORDER BY code",
    "stages": "SELECT stage FROM page_stages ORDER BY code",
}
# The address of each candidate's page, if all of them are one address and the candidate's id.
LINK = r"""
    SELECT any_value(left(profile_url, length(profile_url) - length(id))) AS link
    FROM recruit.candidates
    WHERE profile_url IS NOT NULL
    HAVING bool_and(ends_with(profile_url, '/' || id))
        AND count(DISTINCT left(profile_url, length(profile_url) - length(id))) = 1
        AND bool_and(regexp_full_match(profile_url, 'https://[\w./:-]+'))
"""
