"""Linear maps between the neurons of two populations: as sets have them, and composed."""
