"""The JSON API for institutions, `/api/v1`: the actions of the pages, for programs."""
