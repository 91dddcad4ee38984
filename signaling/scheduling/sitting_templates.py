"""Records of templates: what a coordinator makes similar sittings from."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime

from sqlalchemy import bindparam, or_, select
from sqlalchemy.ext.asyncio import AsyncSession

from signaling.accounts.bodies import parse_name
from signaling.accounts.rights import Places, Target
from signaling.scheduling.places import Place
from signaling.scheduling.sitting_form import SittingForm, template_fields
from signaling.storage.models import SittingTemplate

MAX_TEMPLATES = 200
"""LIMIT: templates of the places of one person."""


class TooManyTemplates(Exception):
    """There are MAX_TEMPLATES already."""


async def list_templates(session: AsyncSession, places: Places) -> Sequence[SittingTemplate]:
    """Return the templates of these places, by name."""
    if not places:
        return []
    values = {
        "home_ids": sorted(places.home_ids), "body_ids": sorted(places.body_ids),
        "unit_ids": sorted(places.unit_ids),
    }  # fmt: skip
    return list(await session.scalars(_OF_PLACES, values))


async def create_template(
    session: AsyncSession, owner_id: str, place: Place, name: str, form: SittingForm,
    *, now: datetime,
) -> SittingTemplate:  # fmt: skip
    """Keep a form as a template.

    Raises:
        BadName: of signaling.accounts.bodies.
        TooManyTemplates: see above.
    """
    held = await session.scalars(
        select(SittingTemplate.id)
        .where(SittingTemplate.body_id == place.body_id)
        .limit(MAX_TEMPLATES)
    )
    if len(list(held)) >= MAX_TEMPLATES:
        raise TooManyTemplates
    template = SittingTemplate(
        body_id=place.body_id, unit_id=place.unit_id, owner_id=owner_id, name=parse_name(name),
        fields=template_fields(form), created_at=now,
    )  # fmt: skip
    session.add(template)
    await session.flush()
    return template


def template_target(template: SittingTemplate) -> Target:
    """Return a template as the table of rights sees it."""
    return Target(template.body_id, template.unit_id, template.owner_id)


_OF_PLACES = (
    select(SittingTemplate)
    .where(
        SittingTemplate.body_id.in_(bindparam("home_ids", expanding=True)),
        or_(
            SittingTemplate.body_id.in_(bindparam("body_ids", expanding=True)),
            SittingTemplate.unit_id.in_(bindparam("unit_ids", expanding=True)),
        ),
    )
    .order_by(SittingTemplate.name, SittingTemplate.id)
    .limit(MAX_TEMPLATES)
)
