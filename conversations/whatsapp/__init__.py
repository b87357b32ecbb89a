"""What Parley says to the WhatsApp Cloud API and hears from it. Knows no model and imports none of our rooms."""
