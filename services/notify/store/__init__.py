"""All SQL: alerts.py of threats and alerts, telling.py of submissions and what became of them."""
