"""The errors of the API: codes, titles and details. Other modules raise them."""

from typing import Any

from recruit_assets.sandbox.schema import CURRENT


class Problem(Exception):
    """Refuse a request with a status and an `errors` array of one."""

    def __init__(self, status: int, error: dict[str, Any]) -> None:
        super().__init__(error["detail"])
        self.status = status
        self.document = {"errors": [error]}


def _bad(
    code: str, title: str, detail: str, parameter: str | None = None, *, status: int = 400
) -> Problem:
    error: dict[str, Any] = {"title": title, "detail": detail, "code": code, "status": str(status)}
    if parameter:
        error["source"] = {"parameter": parameter}
    return Problem(status, error)


def unknown_type(type_: str) -> Problem:
    """Return the error for fields of an unknown type."""
    return _bad("101", "Invalid resource", f"{type_} is not a valid resource.")


def too_long() -> Problem:
    """Return the error for a list that the API cannot make without a filter."""
    return _bad("502", "Bad gateway", "The list took too long.", status=502)


def refused_filter(name: str) -> Problem:
    """Return the error for a filter that the endpoint does not know."""
    return _bad("102", "Filter not allowed", f"{name} is not allowed.")


def bad_filter_value(name: str, value: str) -> Problem:
    """Return the error for a filter's value that cannot be parsed."""
    return _bad("103", "Invalid filter value", f"{value} is not a valid value for {name}.")


def refused_field(type_: str, name: str) -> Problem:
    """Return the error for a field that the type does not have."""
    return _bad("104", "Invalid field", f"{name} is not a valid field for {type_}.")


def refused_parameter(name: str) -> Problem:
    """Return the error for an unknown paging parameter."""
    return _bad("105", "Param not allowed", f"{name} is not allowed.", name)


def refused_include(type_: str, name: str) -> Problem:
    """Return the error for a relationship that cannot be included."""
    detail = f"{name} is not a valid relationship of {type_}."
    return _bad("112", "Invalid include", detail, "include")


def refused_sort(type_: str, key: str) -> Problem:
    """Return the error for a key that the list cannot be sorted by."""
    detail = f"{key} is not a valid sort criteria for {type_}."
    return _bad("114", "Invalid sort criteria", detail, "sort")


def bad_page(parameter: str, value: str) -> Problem:
    """Return the error for a page size or number out of range."""
    detail = f"{value} is not a valid value for {parameter} page parameter."
    return _bad("118", "Invalid page value", detail, parameter)


def no_record(id_: str) -> Problem:
    """Return the error for a record that does not, or no longer, exist."""
    detail = f"The record identified by {id_} could not be found."
    return _bad("404", "Record not found", detail, status=404)


def no_path(path: str) -> Problem:
    """Return the error for a path that the API does not have."""
    return _bad("404", "Not found", f"There is nothing at /v1/{path}.", status=404)


def bad_version() -> Problem:
    """Return the error for a missing or unknown version; its status is a number, as observed."""
    detail = f"Send the header X-Api-Version with a valid version. The current one is {CURRENT}."
    return Problem(406, {"title": "Invalid API version", "detail": detail, "status": 406})
