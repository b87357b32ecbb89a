"""Where the inbox and the webhook are found."""

from django.urls import path

from conversations import views, webhooks

urlpatterns = [
    path("webhooks/whatsapp/", webhooks.whatsapp, name="webhook_whatsapp"),
    path("inbox/", views.listing, name="inbox"),
    path("inbox/<uuid:public_id>/", views.thread, name="inbox_thread"),
    path("inbox/<uuid:public_id>/answer/", views.answer, name="inbox_answer"),
    path("inbox/<uuid:public_id>/take/", views.take, name="inbox_take"),
    path("inbox/<uuid:public_id>/release/", views.release, name="inbox_release"),
    path("inbox/<uuid:public_id>/resolve/", views.resolve, name="inbox_resolve"),
    path("inbox/<uuid:public_id>/reopen/", views.reopen, name="inbox_reopen"),
    path("inbox/<uuid:public_id>/seen/", views.seen, name="inbox_seen"),
]
