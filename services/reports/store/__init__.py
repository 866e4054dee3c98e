"""All SQL: sight.py says what a viewer sees, searching.py finds, rows.py reads, intake.py and review.py write."""
