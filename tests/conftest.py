"""What all tests share: hypothesis tries the same cases in every run, so a red run can be repeated."""

from __future__ import annotations

import hypothesis

hypothesis.settings.register_profile("repeatable", derandomize=True, deadline=None)
hypothesis.settings.load_profile("repeatable")
