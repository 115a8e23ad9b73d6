"""Tests of the sandbox: through real HTTP, against the facts of the API."""
