"""The table of endpoints against an independent account of the API: the sandbox."""

import pytest

from recruit_assets.catalogue import Endpoint, Kind, snake_case
from recruit_assets.endpoints import ENDPOINTS
from recruit_assets.more_endpoints import KNOWN_ENDPOINTS, MORE_ENDPOINTS
from recruit_assets.sandbox import Sandbox

NOT_KEPT = {"activities": {"user"}}  # keys that nothing needs


def test_each_has_its_own_name() -> None:
    assert len({endpoint.name for endpoint in KNOWN_ENDPOINTS}) == len(KNOWN_ENDPOINTS)
    assert len(ENDPOINTS) == 19  # are always synced


@pytest.mark.parametrize("endpoint", KNOWN_ENDPOINTS, ids=lambda each: each.name)
def test_no_two_columns_of_a_table_have_one_name(endpoint: Endpoint) -> None:
    names = [column.name for column in endpoint.columns()]
    assert len(names) == len(set(names))
    assert not [name for name in names if name.startswith("_") or name != snake_case(name)]


@pytest.mark.parametrize("endpoint", KNOWN_ENDPOINTS, ids=lambda each: each.name)
def test_everything_has_a_meaning(endpoint: Endpoint) -> None:
    assert endpoint.description.endswith(".")
    assert all(column.meaning for column in endpoint.columns())


def test_the_table_knows_what_the_api_serves_and_includes_every_key() -> None:
    world = Sandbox(candidates=40).world
    for endpoint in KNOWN_ENDPOINTS:
        attributes = {each.name for each in endpoint.attributes}
        included = {each.name for each in endpoint.relationships}
        for record in world.records(endpoint.path):
            assert set(record.get("attributes", {})) <= attributes
            to_one = {
                name
                for name, value in record["relationships"].items()
                if isinstance(value, dict) and f"{name}-id" not in attributes
            } - NOT_KEPT.get(endpoint.name, set())
            assert to_one <= included, endpoint.name


def test_signed_links_and_counters_are_volatile() -> None:
    volatile = {
        f"{endpoint.name}.{attribute.name}"
        for endpoint in KNOWN_ENDPOINTS
        for attribute in endpoint.attributes
        if attribute.volatile
    }
    assert volatile == {
        "candidates.resume",
        "candidates.original-resume",
        "departments.row-order",
        "job_applications.row-order",
        "stages.active-job-applications-count",
        "stages.rejected-job-applications-count",
    }


def test_what_may_lead_to_a_person_is_personal() -> None:
    personal = {
        f"{endpoint.name}.{attribute.name}"
        for endpoint in KNOWN_ENDPOINTS
        for attribute in endpoint.attributes
        if attribute.personal
    }
    assert personal >= {
        "candidates.email",
        "candidates.referring-url",
        "candidates.tags",
        "job_applications.referring-url",
    }


def test_each_text_of_those_that_must_be_named_is_personal_but_for_these() -> None:
    labels = {
        f"{endpoint.name}.{attribute.name}"
        for endpoint in MORE_ENDPOINTS
        for attribute in endpoint.attributes
        if attribute.kind in (Kind.TEXT, Kind.TEXTS, Kind.JSON)
        if not (attribute.personal or attribute.members)
    }
    assert labels == {
        "activities.code",
        "stage_types.name",
        "requisitions.country",
        "requisitions.currency",
        "requisitions.salary-time-unit",
        "requisitions.requisition-status",
        "requisitions.status",
        "custom_field_options.value",
        "custom_field_values.field-type",
        "answers.question-type",
        "partner_results.partner-name",
        "partner_results.status",
    }


def test_history_is_free_of_noise_and_of_personal_data() -> None:
    tracked = {
        endpoint.name: endpoint.tracked() for endpoint in KNOWN_ENDPOINTS if endpoint.history
    }
    assert set(tracked) == {"job_applications", "jobs", "job_offers", "stages"}
    for columns in tracked.values():
        assert not [each.name for each in columns if each.volatile or each.personal]
