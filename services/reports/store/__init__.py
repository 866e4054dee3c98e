"""All SQL of reports, a file for each noun or deed. What a viewer may see is written once, in sight.py."""
