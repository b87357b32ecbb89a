import pytest
from django.contrib.auth.models import Group
from playwright.sync_api import Page

from accounts.models import User
from accounts.roles import ADMINISTRATOR

pytestmark = [pytest.mark.browser, pytest.mark.xdist_group("browser")]


def test_a_person_logs_in_by_e_mail_and_comes_back_to_the_page_they_asked_for(page: Page) -> None:
    user = User.objects.create_user("giulia@example.com", "a-long-enough-word", is_staff=True)
    user.groups.add(Group.objects.get(name=ADMINISTRATOR))

    page.goto("/admin/")
    page.get_by_label("Email").fill("Giulia@example.com")
    page.get_by_label("Password").fill("a-long-enough-word")
    page.get_by_role("button", name="Log in", exact=True).click()

    page.wait_for_url("**/admin/")
