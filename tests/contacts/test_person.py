"""What concerns a whole person: every room says which of its models lead to a contact."""

from django.apps import apps
from django.db.models import Model

from contacts import person
from contacts.models import Contact, Import, Tag
from tests.test_project import ROOMS

# These point at people only through what is theirs anyway, or hold no person.
OF_NOBODY = {Contact.tags.through, Tag, Import}


def leads_to_a_contact(model: type[Model]) -> bool:
    """It has a key to a contact, or to something that only exists for one."""
    return any(
        field.related_model is Contact or field.name == "event"
        for field in model._meta.get_fields()
        if field.is_relation and field.concrete and not field.auto_created
    )


def test_every_model_that_leads_to_a_contact_has_a_part() -> None:
    answered = {model for part in person.parts() for model in part.models}
    ours = [model for model in apps.get_models(include_auto_created=True) if model._meta.app_label in ROOMS]

    assert Contact in answered
    assert {model for model in ours if leads_to_a_contact(model)} - answered - OF_NOBODY == set()


def test_every_room_with_people_in_it_has_a_part() -> None:
    assert {part.name for part in person.parts()} >= {"consent", "messages", "campaigns"}
