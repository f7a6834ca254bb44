"""The thresholds of the decision whether a domain may enforce: data, with the bounds of each."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, Self

from pydantic import BaseModel, ConfigDict, Field, model_validator

LOW_VOLUME_DAYS = 28  # after which a domain that still has too few sessions is judged as a small one
ACKNOWLEDGED_DAYS = 14  # that an acknowledgement lasts, unless it says less


def _whole(default: int, low: int, high: int, meaning: str) -> int:
    found: int = Field(default, ge=low, le=high, description=meaning)
    return found


def _share(default: float, low: float, high: float, meaning: str) -> float:
    found: float = Field(default, ge=low, le=high, description=meaning)
    return found


class Parameters(BaseModel):
    """What a verdict asks for. Days are UTC days, sessions are evaluated ones, shares are between 0 and 1."""

    model_config = ConfigDict(frozen=True, extra="forbid", hide_input_in_errors=True)

    settle_lag_h: int = _whole(36, 24, 72, "hours after the end of a day until late reports about it are unlikely")
    obs_days: int = _whole(14, 7, 60, "settled days in testing with the MX set of today, and the window of the rate")
    recent_days: int = _whole(7, 3, 30, "settled days without a recurring failure")
    min_active_days_recent: int = _whole(5, 1, 30, "of the recent days, those with an evaluated session")
    min_active_days_obs: int = _whole(10, 3, 60, "of the days in testing, those with an evaluated session")
    max_gap_days: int = _whole(3, 1, 7, "settled days in a row that may pass without any report")
    min_orgs: int = _whole(3, 1, 20, "organizations with evaluated sessions")
    anchor_orgs: Annotated[
        tuple[Annotated[str, Field(max_length=253)], ...], Field(max_length=20, description="large senders")
    ] = ("google.com", "microsoft.com")
    min_anchors: int = _whole(2, 0, 20, "of the large senders, those that have to be among the organizations")
    min_sessions: int = _whole(300, 50, 10_000, "evaluated sessions in the window")
    p_target: float = _share(0.01, 0.0001, 0.2, "the rate that would block may be this at most, to pass")
    p_warn: float = _share(0.03, 0.0001, 0.5, "the same, to pass with a warning")
    p_fail: float = _share(0.005, 0.0001, 0.2, "the rate that would block is more than this: it fails")
    alpha: float = _share(0.05, 0.01, 0.1, "how often a bound of the rate may be wrong, one-sided")
    recur_days: int = _whole(2, 2, 5, "days from which on a failure recurs")
    recur_orgs: int = _whole(2, 2, 5, "organizations from which on a failure recurs")
    burst_min: int = _whole(5, 2, 1_000, "sessions on one day that make a burst, if the share is as large as well")
    burst_rate: float = _share(0.05, 0.001, 1, "share of an organization's sessions of that day that makes a burst")
    max_age_testing: int = _whole(86_400, 3_600, 604_800, "seconds of max_age to publish while testing")
    max_age_enforce_first: int = _whole(604_800, 86_400, 2_592_000, "seconds of max_age to begin enforce with")
    txt_ttl_max: int = _whole(3_600, 60, 86_400, "seconds of TTL of the _mta-sts record, for a quick way back")

    @model_validator(mode="after")
    def _fit(self) -> Self:
        for less, more in (
            ("recent_days", "obs_days"),
            ("min_active_days_recent", "recent_days"),
            ("min_active_days_obs", "obs_days"),
            ("p_target", "p_warn"),
        ):
            if getattr(self, less) > getattr(self, more):
                raise ValueError(f"{less} is more than {more}")
        if self.min_anchors > len(self.anchor_orgs):
            raise ValueError("min_anchors is more than there are anchor_orgs")
        return self


# What a profile asks for other than the defaults.
PROFILES: Mapping[str, Mapping[str, object]] = {"default": {}, "cautious": {"obs_days": 28}}


def parameters(profile: str = "default", chosen: Mapping[str, object] | None = None) -> Parameters:
    """Return the parameters of a profile, those in `chosen` in their place. Raises ValidationError."""
    return Parameters.model_validate(dict(PROFILES[profile]) | dict(chosen or {}))
