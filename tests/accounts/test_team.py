"""Who works here: adding people, their role, shutting them out."""

import pytest
from django.test import Client

from accounts.models import AuditEntry, User
from accounts.roles import ADMINISTRATOR, AGENT, AUDITOR, MARKETING, has_role, roles_of
from tests import make

PASSWORD = "an honest long password"


@pytest.fixture
def admin(client: Client, db: None) -> Client:
    """The browser of the only administrator."""
    client.force_login(make.user(ADMINISTRATOR))
    return client


def page(user: User, name: str = "change") -> str:
    return f"/admin/accounts/user/{user.public_id}/{name}/"


def log_in(email: str, password: str) -> Client:
    browser = Client()
    browser.post("/account/login/", {"login": email, "password": password})
    return browser


def test_somebody_who_was_added_logs_in_and_does_what_their_role_may(admin: Client) -> None:
    form = {"email": "Eva@Example.test", "first_name": "Eva", "last_name": "", "role": AGENT, "password": PASSWORD}
    answer = admin.post("/admin/accounts/user/add/", form)

    assert answer.status_code == 302
    eva = User.objects.get(email="eva@example.test")
    assert roles_of(eva) == {AGENT}
    assert not eva.is_superuser
    browser = log_in("eva@example.test", PASSWORD)
    assert browser.get("/inbox/").status_code == 200
    assert browser.get("/admin/accounts/user/").status_code == 403


def test_a_password_that_anybody_guesses_is_refused_beside_the_field(admin: Client) -> None:
    answer = admin.post(
        "/admin/accounts/user/add/", {"email": "eva@example.test", "role": AGENT, "password": "password12"}
    )

    assert answer.status_code == 200
    assert "too common" in answer.content.decode()
    assert not User.objects.filter(email="eva@example.test").exists()


def test_an_address_is_taken_once_however_it_is_written(admin: Client) -> None:
    make.user(AGENT, "eva@example.test")

    form = {"email": "EVA@example.test", "role": AGENT, "password": PASSWORD}
    answer = admin.post("/admin/accounts/user/add/", form)

    assert "works here already" in answer.content.decode()


def test_another_role_replaces_the_one_before_and_leaves_a_line(admin: Client) -> None:
    eva = make.user(AGENT, "eva@example.test")

    admin.post(page(eva), {"email": eva.email, "first_name": "", "last_name": "", "role": AUDITOR})

    eva = User.objects.get(pk=eva.pk)
    assert roles_of(eva) == {AUDITOR}
    line = AuditEntry.objects.get(verb="user.role_given")
    assert line.subject == f"user {eva.public_id}"
    assert line.details == {"role": AUDITOR, "before": AGENT}


def test_the_only_administrator_cannot_become_anything_else(admin: Client) -> None:
    me = User.objects.get()

    answer = admin.post(page(me), {"email": me.email, "first_name": "", "last_name": "", "role": MARKETING})

    assert "only administrator left" in answer.content.decode()
    assert has_role(User.objects.get(), ADMINISTRATOR)


def test_nobody_shuts_themselves_out(admin: Client) -> None:
    me = User.objects.get()

    answer = admin.post(page(me, "shut-out"))

    assert "cannot shut yourself out" in answer.content.decode()
    assert User.objects.get().is_active


def test_who_is_shut_out_is_out_at_once_and_may_be_let_in_again(admin: Client) -> None:
    eva = User.objects.create_user("eva@example.test", PASSWORD, is_staff=True)
    browser = log_in(eva.email, PASSWORD)
    assert browser.get("/account/password/change/").status_code == 200

    admin.post(page(eva, "shut-out"))
    assert browser.get("/account/password/change/").status_code == 302
    assert log_in(eva.email, PASSWORD).get("/account/password/change/").status_code == 302

    admin.post(page(eva, "let-in"))
    assert log_in(eva.email, PASSWORD).get("/account/password/change/").status_code == 200
    assert list(AuditEntry.objects.order_by("pk").values_list("verb", flat=True)) == ["user.shut_out", "user.let_in"]


def test_a_new_password_ends_every_session(admin: Client) -> None:
    eva = User.objects.create_user("eva@example.test", PASSWORD, is_staff=True)
    browser = log_in(eva.email, PASSWORD)

    admin.post(page(eva, "password"), {"password": "quite another password"})

    assert browser.get("/account/password/change/").status_code == 302
    assert log_in(eva.email, "quite another password").get("/account/password/change/").status_code == 200
    assert "quite another" not in str(list(AuditEntry.objects.values()))


def test_people_are_addressed_by_their_public_id_only(admin: Client) -> None:
    eva = make.user(AGENT, "eva@example.test")

    listed = admin.get("/admin/accounts/user/").content.decode()

    assert page(eva) in listed
    assert admin.get(f"/admin/accounts/user/{eva.pk}/change/").status_code == 302  # to the list: there is no such page
    assert admin.get(f"/admin/accounts/user/{eva.public_id}/delete/").status_code == 404


def test_times_are_written_on_the_readers_clock(admin: Client) -> None:
    admin.cookies["parley_zone"] = "Asia%2FTokyo"
    admin.get("/admin/")

    assert User.objects.get().time_zone == "Asia/Tokyo"

    admin.cookies["parley_zone"] = "Nowhere/At-All"
    assert admin.get("/admin/").status_code == 200
    assert User.objects.get().time_zone == "Asia/Tokyo"
