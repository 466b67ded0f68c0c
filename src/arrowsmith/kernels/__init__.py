"""Work on whole arrays and batches that formats and transforms share; Arrow and NumPy only."""
