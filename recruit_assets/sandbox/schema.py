"""The types of the API, as one table.

Contains attributes, relationships, filters, sorts, the scope that may list a type, and the
differences between versions. `resource` parses the table's notation. Not here: records (`world`),
the parsing of parameters (`query`), and the rendering of records (`render`).
"""

from collections.abc import Mapping
from functools import cache

from recruit_assets.sandbox.resource import Resource, resource

SCOPES = ("public", "internal", "admin")

_LISTED = (
    resource(
        "candidates",
        attributes="connected:flag consent-future-jobs-at:time created-at:time email facebook-id"
        " facebook-profile first-name internal:flag last-name linkedin-profile linkedin-uid"
        " linkedin-url original-resume phone picture pitch referred:flag referring-site"
        " referring-url restricted-at:time resume resume-summary sourced:flag tags:list"
        " unsubscribed:flag updated-at:time city country resume-updated-at:time profile-url",
        one="department>departments division>divisions role>roles",
        many="activities@candidate answers@candidate custom-field-values@owner form-answers"
        " job-applications@candidate locations nps-responses@candidate onboardings"
        " partner-results@candidate questions@candidate regions uploads@candidate",
        filters="email phone connected department role locations regions division",
        ranges="created-at updated-at",
        sorts="*",
    ),
    resource(
        "custom-fields",
        attributes="api-name created-at:time field-type is-external:flag is-featured:flag"
        " is-hidden:flag is-private:flag is-required:flag is-searchable:flag name owner-type"
        " updated-at:time",
        many="custom-field-values@custom-field",
    ),
    resource(
        "departments",
        attributes="name people-headline people-text headline text row-order:whole pictures:list",
        one="manager>users",
        many="roles@department teams@departments team-memberships",
        scope="public",
    ),
    resource(
        "jobs",
        attributes="additional-files-requirement apply-button-text body"
        " candidate-location-requirement company-name cover-letter-requirement created-at:time"
        " currency employment-level employment-type end-date:time external-application-url"
        " human-status internal:flag internal-name language-code mailbox max-salary:whole"
        " min-salary:whole name-requirement phone-requirement picture:object pinned:flag pitch"
        " recruiter-email remote-status resume-requirement salary-time-unit"
        " sharing-image-layout start-date:time status tags:list template-name title"
        " updated-at:time",
        one="department>departments division>divisions location>locations"
        " requisition>requisitions role>roles team>teams user>users",
        # `world` derives the candidates from the job's applications.
        many="activities@job candidates@job colleagues>users custom-field-values@owner"
        " custom-fields locations picked-questions questions regions stages@job"
        " team-memberships@team",
        filters="status feed department role locations regions",
        sorts="pinned date updated-at",
        scope="public",
    ),
    resource(
        "job-applications",
        attributes="changed-stage-at:time cover-letter created-at:time match referring-site"
        " referring-url rejected-at:time row-order:whole sourced:flag updated-at:time",
        one="candidate>candidates job>jobs stage>stages reject-reason>reject-reasons",
        many="nps-responses@job-application",
        filters="stage-type job candidate",
        ranges="created-at updated-at changed-stage-at",
        # The docs print the first with underscores; clients send it with hyphens.
        sorts="changed_stage_at changed-stage-at updated-at",
    ),
    resource(
        "job-offers",
        attributes="answered-at:time created-at:time details:object response sent-at:time status",
        one="job-application>job-applications user>users",
        filters="job-application-id",
    ),
    resource(
        "locations",
        attributes="address city country email headquarters:flag lat long name phone zip",
        many="teams@locations",
        scope="public",
    ),
    resource(
        "users",
        attributes="description email external-id facebook-profile google-profile hide-email:flag"
        " instagram-profile linkedin-profile login-email name other-profile phone picture:object"
        " role role-addons:list signature title twitter-profile username visible:flag"
        " notification-candidate-message:flag notification-job:flag"
        " notification-connected-candidate:flag notification-mention:flag"
        " notification-lead-message:flag notification-hiring-team-application:flag"
        " notification-daily-digest:flag notification-recruiter-application:flag"
        " notification-removal-request:flag notification-gdpr-digest:flag",
        one="department>departments location>locations notification-settings>notification-settings",
        many="activities@user jobs@user teams@users team-memberships@user",
        filters="email department external-id",
        sorts="*",
        scope="public",
    ),
    resource(
        "todos",
        attributes="completed-at:time created-at:time due:date value",
        one="assignee>users assigner>users user>users candidate>candidates",
        filters="assignee assigner candidate due user",
        sorts="*",
    ),
    resource(
        "teams",
        attributes="name emoji no-department:flag",
        one="user>users",
        many="users departments locations roles jobs@team",
        scope="public",
    ),
    resource("team-memberships", one="user>users team>teams|jobs"),
    resource(
        "stages",
        attributes="active-job-applications-count:whole created-at:time legacy-stage-type-name"
        " name rejected-job-applications-count:whole row-order:whole updated-at:time",
        one="job>jobs stage-type>stage-types",
        many="job-applications@stage triggers@stage",
        filters="job stage-type",
        sorts="*",
    ),
    resource(
        "roles",
        attributes="name",
        one="department>departments",
        many="teams@roles",
        scope="public",
    ),
    resource("regions", attributes="name created-at:time", many="locations"),
    resource(
        "referrals",
        attributes="comment created-at:time email name phone",
        one="candidate>candidates department>departments job>jobs role>roles user>users",
        filters="candidate department email job phone role user",
        sorts="*",
    ),
    resource(
        "questions",
        attributes="alternatives:list description end-with:whole multiple:flag question-type"
        " single-line:flag start-with:whole title unit",
        one="candidate>candidates",
        sorts="*",
        scope="public",
    ),
    resource(
        "notes",
        attributes="candidate-id:whole created-at:time created-by-trigger:flag"
        " mentioned-user-ids:list note private-note:flag updated-at:time user-id:whole",
        one="candidate>candidates user>users",
    ),
    resource(
        "nps-responses",
        attributes="created-at:time feedback on-reject:flag score:number scored-at:time"
        " sent-at:time updated-at:time",
        one="candidate>candidates job-application>job-applications stage>stages",
    ),
    resource(
        "reject-reasons",
        attributes="reason rejected-by-company:flag",
        many="job-applications@reject-reason",
    ),
    resource("stage-types", attributes="name"),
    resource(
        "requisitions",
        attributes="job-title job-description country min-salary:whole max-salary:whole currency"
        " salary-time-unit number-of-openings:whole custom-form-answers:object"
        " requisition-status hired-count:whole created-at:time",
        one="location>locations department>departments role>roles recruiter>users user>users",
        many="jobs@requisition",
    ),
    resource(
        "custom-field-options",
        attributes="value",
        one="custom-field>custom-fields",
        filters="custom-field",
    ),
    # One account refused every filter of it.
    resource(
        "uploads",
        attributes="url file-name internal:flag created-at:time updated-at:time",
        one="candidate>candidates job>jobs answer>answers",
        sorts="updated-at",
    ),
    resource(
        "partner-results",
        attributes="assessment-score:whole attachments:list created-at:time details partner-name"
        " status summary url",
        one="candidate>candidates job>jobs",
        filters="candidate",
    ),
    resource(
        "custom-field-values",
        attributes="field-type value",
        one="custom-field>custom-fields owner>candidates|jobs",
        filters="custom-field field-type",
    ),
    # Large accounts have no list of it without a filter; see `Rules.too_long`.
    resource(
        "answers",
        attributes="boolean choices:list date number:number question-type range:whole text"
        " updated-at:time video-token",
        one="candidate>candidates question>questions picked-question>picked-questions",
        filters="candidate question",
    ),
)

# Types that have no list here, but can be included.
_UNLISTED = (
    resource(
        "activities",
        attributes="code created-at:time data",
        one="candidate>candidates job>jobs user>users",
    ),
    resource("divisions", attributes="name", scope="public"),
    resource("form-answers"),
    resource("notification-settings", attributes="mention:flag daily-digest:flag"),
    resource("onboardings"),
    resource(
        "picked-questions",
        attributes="mandatory:flag",
        one="question>questions",
        scope="public",
    ),
    resource("triggers", attributes="trigger-type", one="stage>stages"),
)

RESOURCES: dict[str, Resource] = {found.type: found for found in _LISTED + _UNLISTED}
ENDPOINTS: tuple[str, ...] = tuple(found.type for found in _LISTED)

# Each (type, relationship) from which a relationship at the far end is derived.
FOLLOWED: frozenset[tuple[str, str]] = frozenset(
    (relationship.types[0], relationship.follows)
    for each in RESOURCES.values()
    for relationship in each.relationships.values()
    if relationship.follows
)

# Before this version a stage named its type in another attribute, and users had notification flags.
RESHAPED = "20240404"
VERSIONS = ("20161108", "20210218", "20231215", "20240404", "20240904")
CURRENT = VERSIONS[-1]

_ADMIN_ONLY = {"jobs": {"created-at", "tags"}, "users": {"login-email"}}
_FLAGS = {name for name in RESOURCES["users"].attributes if name.startswith("notification-")}


@cache
def attribute_names(type_: str, version: str, scope: str) -> Mapping[str, str | None]:
    """Return the attributes that are shown differently: a new name, or None if hidden."""
    shown: dict[str, str | None] = {}
    if scope != "admin":
        shown |= dict.fromkeys(_ADMIN_ONLY.get(type_, ()))
    if type_ == "users" and (version >= RESHAPED or scope != "admin"):
        shown |= dict.fromkeys(_FLAGS)
    if type_ == "stages" and version < RESHAPED:
        shown["legacy-stage-type-name"] = "stage-type"
    return shown


@cache
def relationship_names(type_: str, version: str) -> tuple[str, ...]:
    """Return the relationships that a record of this type shows."""
    later = {"stages": "stage-type", "users": "notification-settings"}.get(type_)
    names = RESOURCES[type_].relationships
    return tuple(name for name in names if version >= RESHAPED or name != later)


def may_list(scope: str, type_: str) -> bool:
    """Return whether a key of this scope may read records of that type."""
    return SCOPES.index(scope) >= SCOPES.index(RESOURCES[type_].scope)
