"""All SQL of directory, a file for each noun or deed."""
