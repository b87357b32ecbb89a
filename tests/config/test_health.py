from django.test import Client


def test_live_answers_without_a_log_in_and_without_a_database(client: Client) -> None:
    response = client.get("/health/live/")

    assert (response.status_code, response.content) == (200, b"live\n")


def test_our_own_pages_allow_scripts_from_ourselves_only(client: Client) -> None:
    policy = client.get("/health/live/").headers["Content-Security-Policy"]

    assert "script-src 'self'" in [part.strip() for part in policy.split(";")]
    assert "unsafe" not in policy


def test_everything_else_asks_for_a_log_in(client: Client, db: None) -> None:
    response = client.get("/admin/", follow=True)

    assert response.redirect_chain == [("/admin/login/?next=/admin/", 302), ("/account/login/?next=%2Fadmin%2F", 302)]
