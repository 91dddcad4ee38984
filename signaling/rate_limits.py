"""Rates by caller: one token bucket each, a bounded number of them. Pure."""

from __future__ import annotations

from collections import OrderedDict

from aiohttp import web

from signaling.limits import TokenBucket

MAX_REMEMBERED_CALLERS = 10_000
"""LIMIT: callers whose rate is remembered; past it the one longest unseen is forgotten."""


class RateLimit:
    """Allow each caller `burst` at once and `rate` a second for good."""

    def __init__(self, *, burst: float, rate: float) -> None:
        self._burst = burst
        self._rate = rate
        self._buckets: OrderedDict[str, TokenBucket] = OrderedDict()

    def take(self, caller: str, now_s: float) -> None:
        """Take a turn.

        Raises:
            HTTPTooManyRequests: with Retry-After in seconds.
        """
        bucket = self._buckets.pop(caller, None) or TokenBucket(
            burst=self._burst, rate=self._rate, now_s=now_s
        )
        self._buckets[caller] = bucket
        if len(self._buckets) > MAX_REMEMBERED_CALLERS:
            self._buckets.popitem(last=False)
        if not bucket.take(now_s):
            delay_s = max(1, round(bucket.delay_s(now_s)))
            raise web.HTTPTooManyRequests(
                text="rate_limited", headers={"Retry-After": str(delay_s)}
            )
