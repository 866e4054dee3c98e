"""All SQL of notify, a file for each noun or deed."""
