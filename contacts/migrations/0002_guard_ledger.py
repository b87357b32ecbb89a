from django.db import migrations

from contacts.triggers import drop, install


class Migration(migrations.Migration):
    """Put the triggers on the ledger. Any later migration that touches a guarded table runs `install` again."""

    dependencies = [("contacts", "0001_first")]

    operations = [
        migrations.RunPython(
            lambda apps, schema_editor: install(schema_editor.connection),
            lambda apps, schema_editor: drop(schema_editor.connection),
        )
    ]
