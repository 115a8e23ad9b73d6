"""The endpoints that an account must name to sync them, as one table, and all endpoints together.

To add one, add one entry to `MORE_ENDPOINTS`. `endpoints` has those that are always synced. Most
tables here hold what candidates and users wrote: every text is personal, and so is every value that
may be an answer, unless its attribute is a `label`.
"""

from functools import partial

from recruit_assets.catalogue import (
    UNKNOWN_COLUMNS,
    Attribute,
    ColumnPolicy,
    Endpoint,
    Kind,
    Member,
)
from recruit_assets.endpoints import (
    CREATED,
    ENDPOINTS,
    UPDATED,
    boolean,
    date,
    integer,
    number,
    one,
)
from recruit_assets.endpoints import text as label

text = partial(Attribute, kind=Kind.TEXT, personal=True)
json = partial(Attribute, kind=Kind.JSON, personal=True)

MORE_ENDPOINTS = (
    Endpoint(
        # The target of `stages.stage_type_id`. No response of the list is known, so what it has
        # besides a name becomes columns.
        "stage_types",
        group="hiring",
        description="Types of stages, such as Inbox or Hired.",
        attributes=(label("name", "Name of the type"),),
    ),
    Endpoint(
        # The target of `jobs.requisition_id`. Documentation and client libraries disagree on the
        # name of the status, and on underscores in two names.
        "requisitions",
        group="hiring",
        description="Requests to open a position. The account needs requisitions.",
        attributes=(
            text("job-title", "Title of the position"),
            text("job-description", "Description of the position"),
            label("country", "Country of the position"),
            integer("min-salary", "Lower end of the salary"),
            integer("max-salary", "Upper end of the salary"),
            label("currency", "Currency of the salary"),
            label("salary-time-unit", "Period that the salary is paid for"),
            integer("number-of-openings", "How many people are to be hired"),
            json("custom-form-answers", "Answers to the company's own form, by question"),
            label("requisition-status", "Status of the requisition, such as pending"),
            label("status", "Status of the requisition; older examples"),
            integer("hired-count", "How many people have been hired"),
            CREATED,
        ),
        relationships=(
            one("location", "locations"),
            one("department", "departments"),
            one("role", "roles"),
            one("recruiter", "users"),
            one("user", "users"),
        ),
    ),
    Endpoint(
        "custom_field_options",
        group="forms",
        description="Options of custom fields to choose from.",
        attributes=(label("value", "The option"),),
        relationships=(one("custom-field", "custom-fields"),),
    ),
    Endpoint(
        # Owners are candidates and jobs; the API includes `owner`, and refuses `candidate`.
        "custom_field_values",
        group="forms",
        description="Values of custom fields, of candidates and jobs.",
        attributes=(
            label("field-type", "CustomField::Text, ::Date, ::Checkbox, ::Select and so on"),
            text(
                "value",
                "The value; each is in the column of its type, and a text here",
                kinds_by="field-type",
                kinds={
                    "CustomField::Checkbox": Kind.BOOLEAN,
                    "CustomField::Date": Kind.DATE,
                    "CustomField::Number": Kind.NUMBER,
                    "CustomField::MultiSelect": Kind.TEXTS,
                },
            ),
        ),
        relationships=(
            one("custom-field", "custom-fields"),
            one("owner", "candidates", "jobs"),
        ),
    ),
    Endpoint(
        # Large accounts answer 502 unless the list is filtered. That it can be filtered by question
        # is inferred from other lists: if it cannot, the sync reads it whole. Anyone with the
        # token can watch the video.
        "answers",
        group="forms",
        description="Candidates' answers to questions.",
        attributes=(
            boolean("boolean", "The answer, if it is yes or no", personal=True),
            json("choices", "The answer, if it is a choice: positions of alternatives"),
            date("date", "The answer, if it is a date", personal=True),
            number("number", "The answer, if it is a number", personal=True),
            label("question-type", "Type of the question, such as text"),
            integer("range", "The answer, if it is on a scale", personal=True),
            text("text", "The answer, if it is a text"),
            UPDATED,
            text("video-token", "Key to the answer, if it is a video"),
        ),
        relationships=(
            one("candidate", "candidates"),
            one("question", "questions"),
            one("picked-question", "picked-questions"),
        ),
        filtered_by="question",
        policy={"video_token": ColumnPolicy.drop},
    ),
    Endpoint(
        # Anyone with the link can open the file, so it is never stored, and no file is read. An
        # attribute that is not known may be one more link. One account refused every filter of
        # this list, but sorted it by updated-at.
        "uploads",
        group="talent",
        description="Files of candidates: names and times only, neither links nor content.",
        attributes=(
            text("url", "Signed link to the file"),
            text("file-name", "Name of the file"),
            boolean("internal", "Uploaded by a user, not by the candidate"),
            CREATED,
            UPDATED,
        ),
        relationships=(
            one("candidate", "candidates"),
            one("job", "jobs"),
            one("answer", "answers"),
        ),
        policy={"url": ColumnPolicy.drop, UNKNOWN_COLUMNS: ColumnPolicy.drop},
    ),
    Endpoint(
        "partner_results",
        group="talent",
        description="Results of assessments by partners. Ids are UUIDs.",
        attributes=(
            number("assessment-score", "The score", personal=True),
            json("attachments", "Descriptions and links of attachments"),
            CREATED,
            text("details", "Further results, JSON as text"),
            label("partner-name", "The partner"),
            label("status", "Status of the assessment"),
            text("summary", "The result in words"),
            text("url", "Page of the result at the partner"),
        ),
        relationships=(one("candidate", "candidates"), one("job", "jobs")),
    ),
    Endpoint(
        # Documented without a list since 2020; one client reads it below a candidate, with counts
        # and pages, and shows what `data` has. That of a message has addresses as `from` and `to`,
        # and that of a note its text, so nothing else is stored, and no unknown attribute.
        "activities",
        group="hiring",
        description="What happened in each job: applications, moves, rejections; no texts.",
        attributes=(
            label("code", "What happened: created, stage (a move), rejected, note and so on"),
            CREATED,
            Attribute(
                "data",
                "Details, of which only these are stored",
                Kind.JSON,
                kinds_by="code",
                members=(
                    Member(
                        "from",
                        "from_stage_id",
                        "Id of the stage that a move left",
                        Kind.KEY,
                        of="stage",
                    ),
                    Member(
                        "to",
                        "to_stage_id",
                        "Id of the stage that a move led to",
                        Kind.KEY,
                        of="stage",
                    ),
                    Member(
                        "from_trigger",
                        "from_trigger",
                        "Whether a trigger of the account did it; null if that is not said",
                        Kind.BOOLEAN,
                    ),
                ),
            ),
        ),
        relationships=(one("candidate", "candidates"), one("job", "jobs")),
        nested_in="job",
        policy={UNKNOWN_COLUMNS: ColumnPolicy.drop},
    ),
)

KNOWN_ENDPOINTS = (*ENDPOINTS, *MORE_ENDPOINTS)
