from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [("contacts", "0002_guard_ledger")]

    operations = [
        migrations.AddField(model_name="import", name="reading", field=models.JSONField(default=dict)),
        migrations.AlterField(model_name="import", name="source", field=models.CharField(blank=True, max_length=200)),
    ]
