"""The endpoints, as one table. To add one, add one entry here, and nothing elsewhere.

Contains facts about the API (attributes, relationships to include, filters that show everything),
taken from its public documentation, client libraries and recorded responses. `catalogue` defines
the fields of an entry; nothing here knows about HTTP, Dagster or DuckDB.
"""

from functools import partial

from recruit_assets.catalogue import Attribute, Endpoint, Kind, Relationship

text = partial(Attribute, kind=Kind.TEXT)
integer = partial(Attribute, kind=Kind.INTEGER)
number = partial(Attribute, kind=Kind.NUMBER)
boolean = partial(Attribute, kind=Kind.BOOLEAN)
timestamp = partial(Attribute, kind=Kind.TIMESTAMP)
date = partial(Attribute, kind=Kind.DATE)
texts = partial(Attribute, kind=Kind.TEXTS)
json = partial(Attribute, kind=Kind.JSON)

CREATED = timestamp("created-at", "When the record was created")
UPDATED = timestamp("updated-at", "When the record was last changed")


def key(name: str, target: str, meaning: str) -> Attribute:
    """Return a key that is a plain attribute."""
    return Attribute(name, meaning, Kind.KEY, target=target)


def keys(name: str, target: str, meaning: str) -> Attribute:
    """Return a list of keys that is a plain attribute."""
    return Attribute(name, meaning, Kind.KEYS, target=target)


def one(name: str, *targets: str, needed: bool = False) -> Relationship:
    """Return a to-one relationship; several targets make it polymorphic."""
    return Relationship(name, targets, needed=needed)


def many(name: str, target: str) -> Relationship:
    """Return a to-many relationship."""
    return Relationship(name, (target,), many=True)


ENDPOINTS = (
    Endpoint(
        "candidates",
        group="talent",
        description="People who applied, were sourced, or connected with the company.",
        attributes=(
            boolean("connected", "Subscribed to updates of the career site"),
            timestamp(
                "consent-future-jobs-at",
                "When the candidate agreed to be contacted about future jobs",
            ),
            CREATED,
            text("email", "E-mail address, unique when set", personal=True),
            text("facebook-id", "Id at Facebook", personal=True),
            text("facebook-profile", "Facebook profile, as HTML", personal=True),
            text("first-name", "First name", personal=True),
            boolean("internal", "Already works for the company"),
            text("last-name", "Last name", personal=True),
            text("linkedin-profile", "LinkedIn profile, as HTML", personal=True),
            text("linkedin-uid", "Id at LinkedIn", personal=True),
            text("linkedin-url", "URL of the LinkedIn profile", personal=True),
            text(
                "original-resume",
                "Signed link to the CV as uploaded; valid for less than a minute after the read",
                volatile=True,
                personal=True,
            ),
            text("phone", "Phone number", personal=True),
            text("picture", "URL of the portrait", personal=True),
            text("pitch", "The candidate's own introduction", personal=True),
            boolean("referred", "Added by an employee"),
            text("referring-site", "Site that referred the candidate"),
            text("referring-url", "Page that referred the candidate", personal=True),
            timestamp("restricted-at", "When processing of the person's data was restricted"),
            text(
                "resume",
                "Signed link to the CV as PDF; valid for less than a minute after the read",
                volatile=True,
                personal=True,
            ),
            text("resume-summary", "Summary of the CV", personal=True),
            boolean("sourced", "Added by a recruiter, without applying"),
            texts("tags", "Tags set by recruiters", personal=True),
            boolean("unsubscribed", "Opted out of messages"),
            UPDATED,
            text("city", "City", personal=True),
            text("country", "Country"),
            timestamp("resume-updated-at", "When the CV was last replaced"),
            text("profile-url", "URL of the candidate's page in the system", personal=True),
        ),
        relationships=(
            one("department", "departments"),
            one("division", "divisions"),
            one("role", "roles"),
            many("locations", "locations"),
            many("regions", "regions"),
        ),
    ),
    Endpoint(
        "custom_fields",
        group="forms",
        description="Custom fields that the company added to candidates and jobs.",
        attributes=(
            text("api-name", "Name of the field in the API"),
            CREATED,
            text("field-type", "CustomField::Text, ::Date, ::Checkbox, ::Select and so on"),
            boolean("is-external", "Filled by another system"),
            boolean("is-featured", "Shown first"),
            boolean("is-hidden", "Hidden from users"),
            boolean("is-private", "Visible to some users only"),
            boolean("is-required", "Must be filled"),
            boolean("is-searchable", "Can be searched for"),
            text("name", "Name of the field as users see it"),
            text("owner-type", "Type of record that has the field: Candidate or Job"),
            UPDATED,
        ),
    ),
    Endpoint(
        "departments",
        group="company",
        description="The departments of the company.",
        attributes=(
            text("name", "Name of the department"),
            text("people-headline", "Headline above its people on the career site"),
            text("people-text", "Text above its people on the career site"),
            text("headline", "Headline on the career site"),
            text("text", "Text on the career site"),
            integer("row-order", "Position in lists", volatile=True),
            json("pictures", "Pictures on the career site"),
        ),
        relationships=(one("manager", "users"),),
    ),
    Endpoint(
        "jobs",
        group="hiring",
        description="All jobs of any status, public and internal.",
        attributes=(
            text("additional-files-requirement", "Further files: off, optional or required"),
            text("apply-button-text", "Text of the apply button"),
            text("body", "The advertisement, as HTML"),
            text("candidate-location-requirement", "Where candidates must be"),
            text("company-name", "Company named in the advertisement"),
            text("cover-letter-requirement", "Cover letter: off, optional or required"),
            timestamp("created-at", "When the job was created; needs an Admin key"),
            text("currency", "Currency of the salary"),
            text("employment-level", "Entry level, experienced and so on"),
            text("employment-type", "Full time, part time and so on"),
            timestamp("end-date", "When the advertisement ends"),
            text("external-application-url", "Where to apply, if on another site"),
            text("human-status", "Status in words: published, draft, archived, unlisted, expired"),
            boolean("internal", "Open to employees only"),
            text("internal-name", "Name of the job inside the company"),
            text("language-code", "Language of the advertisement"),
            text("mailbox", "Address that takes applications by e-mail"),
            integer("max-salary", "Upper end of the salary"),
            integer("min-salary", "Lower end of the salary"),
            text("name-requirement", "Name: off, optional or required"),
            text("phone-requirement", "Phone: off, optional or required"),
            json("picture", "URLs of the picture by size"),
            boolean("pinned", "Shown first on the career site"),
            text("pitch", "One sentence about the job"),
            text("recruiter-email", "E-mail address of the recruiter", personal=True),
            text("remote-status", "Work from elsewhere: none, temporary, hybrid or fully"),
            text("resume-requirement", "CV: off, optional or required"),
            text("salary-time-unit", "Period that the salary is paid for: hour, month or year"),
            text("sharing-image-layout", "Layout of the picture for sharing"),
            timestamp("start-date", "When the advertisement starts"),
            text("status", "open, draft, archived, unlisted or temp"),
            texts("tags", "Tags of the job; needs an Admin key"),
            text("template-name", "Name, if the job is a template"),
            text("title", "Title of the advertisement"),
            UPDATED,
            text("careersite-job-url", "URL of the advertisement"),
            text("careersite-job-apply-url", "URL of the application form"),
            text("careersite-job-apply-iframe-url", "URL of the form for embedding"),
            text("careersite-job-internal-url", "URL of the advertisement for employees"),
        ),
        relationships=(
            one("department", "departments"),
            one("division", "divisions"),
            one("location", "locations"),
            one("requisition", "requisitions"),
            one("role", "roles"),
            one("team", "teams"),
            one("user", "users"),
            many("colleagues", "users"),
            many("locations", "locations"),
            many("regions", "regions"),
        ),
        filters={"filter[status]": "all", "filter[feed]": "public,internal"},
        history=(
            "title",
            "status",
            "human_status",
            "internal",
            "department_id",
            "location_id",
            "user_id",
            "created_at",
        ),
    ),
    Endpoint(
        "job_applications",
        group="hiring",
        description="Each application of a candidate for a job, with its current stage.",
        attributes=(
            timestamp("changed-stage-at", "When it entered its stage; can precede created-at"),
            text("cover-letter", "Cover letter", personal=True),
            CREATED,
            json("match", "How well it matches; null in all known responses"),
            text("referring-site", "Site that referred the application"),
            text("referring-url", "Page that referred the application", personal=True),
            timestamp("rejected-at", "When it was rejected; null if it was not"),
            integer("row-order", "Position in the stage", volatile=True),
            boolean("sourced", "Made by a recruiter"),
            UPDATED,
        ),
        relationships=(
            one("candidate", "candidates", needed=True),
            one("job", "jobs", needed=True),
            one("stage", "stages", needed=True),
            one("reject-reason", "reject-reasons"),
        ),
        history=(
            "candidate_id",
            "job_id",
            "stage_id",
            "reject_reason_id",
            "created_at",
            "changed_stage_at",
            "rejected_at",
        ),
    ),
    Endpoint(
        "job_offers",
        group="hiring",
        description="Offers sent to candidates. The account needs the offers add-on.",
        attributes=(
            timestamp("answered-at", "When the candidate answered"),
            CREATED,
            json(
                "details",
                "Salary, start date, messages and other details that the account requires",
                personal=True,
            ),
            text("response", "The candidate's answer"),
            timestamp("sent-at", "When the offer was sent"),
            text("status", "Status of the offer"),
        ),
        relationships=(one("job-application", "job-applications"), one("user", "users")),
        history=(
            "job_application_id",
            "user_id",
            "status",
            "response",
            "created_at",
            "sent_at",
            "answered_at",
        ),
    ),
    Endpoint(
        "locations",
        group="company",
        description="The places where the company works.",
        attributes=(
            text("address", "Street address; may be empty"),
            text("city", "City"),
            text("country", "Full name of the country"),
            text("email", "E-mail address of the place"),
            boolean("headquarters", "Is the head office"),
            text("lat", "Latitude, a decimal as text"),
            text("long", "Longitude, a decimal as text"),
            text("name", "Name; often empty: use the city then"),
            text("phone", "Phone number of the place"),
            text("zip", "Postal code"),
        ),
    ),
    Endpoint(
        "users",
        group="company",
        description="The employees who use the recruitment system.",
        attributes=(
            text("description", "The user's own description, as HTML", personal=True),
            text("email", "E-mail address", personal=True),
            text("external-id", "Id in another system", personal=True),
            text("facebook-profile", "Facebook profile", personal=True),
            text("google-profile", "Google profile", personal=True),
            boolean("hide-email", "The e-mail address is not shown"),
            text("instagram-profile", "Instagram profile", personal=True),
            text("linkedin-profile", "LinkedIn profile", personal=True),
            text(
                "login-email",
                "Address used to log in; null until the invitation is accepted",
                personal=True,
            ),
            text("name", "Name", personal=True),
            text("other-profile", "Another profile", personal=True),
            text("phone", "Phone number", personal=True),
            json("picture", "URLs of the portrait by size", personal=True),
            text("role", "no_access, user, recruiter, designer, admin or external_recruiter"),
            texts("role-addons", "Further rights"),
            text("signature", "Signature under messages", personal=True),
            text("title", "Title", personal=True),
            text("twitter-profile", "Twitter profile", personal=True),
            text("username", "User name", personal=True),
            boolean("visible", "Shown on the career site"),
            boolean(
                "notification-candidate-message",
                "Notified of candidates' messages; older API versions",
            ),
            boolean("notification-job", "Notified of new jobs; older API versions"),
            boolean(
                "notification-connected-candidate", "Notified of connections; older API versions"
            ),
            boolean("notification-mention", "Notified of mentions; older API versions"),
            boolean("notification-lead-message", "Notified of leads' messages; older API versions"),
            boolean(
                "notification-hiring-team-application",
                "Notified of applications to the hiring team; older API versions",
            ),
            boolean("notification-daily-digest", "Gets the daily digest; older API versions"),
            boolean(
                "notification-recruiter-application",
                "Notified of applications as recruiter; older API versions",
            ),
            boolean(
                "notification-removal-request",
                "Notified of requests for removal; older API versions",
            ),
            boolean("notification-gdpr-digest", "Gets the privacy digest; older API versions"),
        ),
        relationships=(
            one("department", "departments"),
            one("location", "locations"),
            one("notification-settings", "notification-settings"),
        ),
    ),
    Endpoint(
        "todos",
        group="talent",
        description="Tasks of users, mostly about a candidate.",
        attributes=(
            timestamp("completed-at", "When it was done; null while open"),
            CREATED,
            date("due", "Day by which it is due"),
            text("value", "The task", personal=True),
        ),
        relationships=(
            one("assignee", "users"),
            one("assigner", "users"),
            one("user", "users"),
            one("candidate", "candidates"),
        ),
    ),
    Endpoint(
        "teams",
        group="company",
        description="Teams of users, and the records that they may see.",
        attributes=(
            text("name", "Name of the team"),
            text("emoji", "Emoji of the team"),
            boolean("no-department", "May see candidates without a department"),
        ),
        relationships=(
            one("user", "users"),
            many("users", "users"),
            many("departments", "departments"),
            many("locations", "locations"),
            many("roles", "roles"),
        ),
    ),
    Endpoint(
        "team_memberships",
        group="company",
        description="Members of teams, and of the hiring teams of jobs.",
        relationships=(
            one("user", "users", needed=True),
            one("team", "teams", "jobs", needed=True),
        ),
    ),
    Endpoint(
        "stages",
        group="hiring",
        description="The stages of each job's process. A stage belongs to one job.",
        attributes=(
            integer("active-job-applications-count", "Active applications now", volatile=True),
            CREATED,
            text("legacy-stage-type-name", "Inbox, In process or Hired; newer API versions"),
            text("name", "Name of the stage"),
            integer("rejected-job-applications-count", "Rejected applications", volatile=True),
            # Users set it, while the row-order of applications also changes when others arrive.
            integer("row-order", "Position in the process; may be negative"),
            text("stage-type", "Inbox, In process or Hired; older API versions"),
            UPDATED,
        ),
        relationships=(one("job", "jobs"), one("stage-type", "stage-types")),
        history=(
            "job_id",
            "name",
            "row_order",
            "legacy_stage_type_name",
            "stage_type",
            "stage_type_id",
            "created_at",
        ),
    ),
    Endpoint(
        "roles",
        group="company",
        description="Roles within departments.",
        attributes=(text("name", "Name of the role"),),
        relationships=(one("department", "departments"),),
    ),
    Endpoint(
        "regions",
        group="company",
        description="Regions, which group locations.",
        attributes=(text("name", "Name of the region"), CREATED),
        relationships=(many("locations", "locations"),),
    ),
    Endpoint(
        "referrals",
        group="hiring",
        description="People recommended by employees.",
        attributes=(
            text("comment", "What the employee wrote", personal=True),
            CREATED,
            text("email", "E-mail address of the person", personal=True),
            text("name", "Name of the person", personal=True),
            text("phone", "Phone number of the person", personal=True),
        ),
        relationships=(
            one("candidate", "candidates"),
            one("department", "departments"),
            one("job", "jobs"),
            one("role", "roles"),
            one("user", "users"),
        ),
    ),
    Endpoint(
        "questions",
        group="forms",
        description="Questions that application forms ask.",
        attributes=(
            json("alternatives", "Answers to choose from, if it is a choice"),
            text("description", "Explanation under the question"),
            integer("end-with", "Upper end, if it is a range"),
            boolean("multiple", "Several answers allowed, if it is a choice"),
            text("question-type", "Boolean, Choice, Text, Range, Video, Number, Date or File"),
            boolean("single-line", "One line only, if it is a text"),
            integer("start-with", "Lower end, if it is a range"),
            text("title", "The question"),
            text("unit", "Unit, if it is a range"),
        ),
        # Seen in one example of 2021 only; if the API refuses it, the sync leaves it out.
        relationships=(one("candidate", "candidates"),),
    ),
    Endpoint(
        # Its foreign keys are plain attributes, so it includes no relationships.
        "notes",
        group="talent",
        description="Notes of users about candidates.",
        attributes=(
            key("candidate-id", "candidates", "Id of the candidate"),
            CREATED,
            boolean("created-by-trigger", "Written by an automatic rule"),
            keys("mentioned-user-ids", "users", "Ids of the users mentioned"),
            text("note", "The note", personal=True),
            boolean("private-note", "Visible to some users only"),
            UPDATED,
            key("user-id", "users", "Id of the user who wrote it"),
        ),
    ),
    Endpoint(
        "nps_responses",
        group="talent",
        description="Candidates' feedback on the hiring process. The account needs the NPS add-on.",
        attributes=(
            CREATED,
            text("feedback", "What the candidate wrote", personal=True),
            boolean("on-reject", "Asked after a rejection"),
            number("score", "How likely to recommend, 0 to 10"),
            timestamp("scored-at", "When the score was given"),
            timestamp("sent-at", "When the question was sent"),
            UPDATED,
        ),
        relationships=(
            one("candidate", "candidates"),
            one("job-application", "job-applications"),
            one("stage", "stages"),
        ),
    ),
    Endpoint(
        # The target of `job_applications.reject_reason_id`.
        "reject_reasons",
        group="hiring",
        description="Reasons for rejecting applications. The key needs the Admin scope.",
        attributes=(
            text("reason", "The reason"),
            boolean(
                "rejected-by-company", "True if the company decided, false if the candidate did"
            ),
        ),
    ),
)
