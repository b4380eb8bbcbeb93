"""What will be done, decided before anything runs: pure, printable, executed as it stands."""
